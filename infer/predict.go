package infer

import (
	"slices"
	"time"

	"expertfs/infer/weights"
)

// prefetchMode says when hints about the next layers are sent.
type prefetchMode int

const (
	prefetchAuto prefetchMode = iota // on a mount short of RAM, guesses that are good, while hints save time
	prefetchOn                       // always; on a plain folder guesses are only counted
	prefetchOff
)

var prefetchModes = map[string]prefetchMode{"auto": prefetchAuto, "on": prefetchOn, "off": prefetchOff}

// predictor judges guesses of which experts the next layers will choose, and
// tells the mount of those that are worth it.
type predictor struct {
	hints *weights.Hints
	mode  prefetchMode
	on    bool // guesses are made

	layers []layerGuesses
	shares [looks + 1][margins]share // of right guesses, by layers ahead
	trial  trial
	counts []Prediction          // by layer: hints from everywhere, the rest from the layer before it
	ahead  [looks + 1]Prediction // by layers ahead
}

// looks is how many layers are looked ahead.
const looks = 3

// Prediction counts guesses, each expert once per batch of tokens. Precision is
// Right/Guessed, recall Right/Chosen; they are the same where tokens come one by
// one.
type Prediction struct {
	Guessed int64 // experts guessed
	Chosen  int64 // experts chosen by the router, where there were guesses
	Right   int64 // both
	Hinted  int64 // experts that the mount was told to prefetch
}

const (
	// largeBatch is the number of tokens from which guesses need no proof: so
	// many use most of a layer's experts, and looking one layer ahead is enough.
	largeBatch = 32
	// maxHinted bounds the experts of a layer that are asked for at a look.
	maxHinted = 8
)

func newPredictor(hints *weights.Hints, mode prefetchMode, layers, experts int) *predictor {
	p := &predictor{
		hints: hints, mode: mode,
		layers: make([]layerGuesses, layers), counts: make([]Prediction, layers),
	}
	for l := range p.layers {
		p.layers[l].told = make([]bool, experts)
	}
	return p
}

// begin prepares for the next batch. Short says that the folder is a mount that
// has no room for all experts.
func (p *predictor) begin(short bool) {
	p.on = p.mode == prefetchOn || p.mode == prefetchAuto && short
	for l := range p.layers {
		p.layers[l].clear()
	}
}

// took records how long a batch of n tokens took.
func (p *predictor) took(n int, d time.Duration) {
	if p.on && p.mode == prefetchAuto && n == 1 {
		p.trial.took(d)
	}
}

// depth is how many of the layers after l are to be guessed for a batch of n
// tokens.
func (p *predictor) depth(l, n int) int {
	if !p.on {
		return 0
	}
	count := min(looks, len(p.layers)-1-l)
	if n >= largeBatch {
		count = min(count, 1)
	}
	return count
}

// guess notes what was guessed of layer l from the given number of layers before
// it: the best k experts of each of n tokens. The mount is told what is worth it
// when the hints are sent.
func (p *predictor) guess(l, ahead, n, k int, made []guess) {
	p.layers[l].made[ahead] = append(p.layers[l].made[ahead][:0], made...)
	list := p.worthHints(l, ahead, n, k)
	p.counts[l].Hinted += int64(len(list))
	p.ahead[ahead].Hinted += int64(len(list))
	p.hints.Prefetch(l, list)
}

// worthHints returns the experts of layer l that the mount should be told of, the
// best of every token first. Those of the next layer are told again: the mount may
// have had no room for them when they were guessed from afar.
func (p *predictor) worthHints(l, ahead, n, k int) (list []int) {
	proven := p.mode == prefetchOn || n >= largeBatch
	if !proven && !p.trial.hints() {
		return nil
	}
	g := &p.layers[l]
	for rank := range k {
		for t := range n {
			x := g.made[ahead][t*k+rank]
			if len(list) < maxHinted && !slices.Contains(list, x.expert) && (ahead == 1 || !g.told[x.expert]) &&
				(proven || p.shares[ahead][x.margin].good()) {
				g.told[x.expert] = true
				list = append(list, x.expert)
			}
		}
	}
	return list
}

// judge compares the guesses for layer l, in a batch of n tokens, with the
// experts that are used there.
func (p *predictor) judge(l, n int, used []int) {
	g := &p.layers[l]
	for ahead, made := range g.made {
		if len(made) == 0 {
			continue
		}
		c := g.compare(made, used)
		p.ahead[ahead].add(c)
		if ahead == 1 {
			p.counts[l].add(c)
		}
		if n < largeBatch {
			for _, x := range made {
				p.shares[ahead][x.margin].add(g.chosen[x.expert])
			}
		}
	}
}
