package infer

import (
	"slices"
	"time"

	"expertfs/infer/kernel"
)

// prefetchMode says when hints about the next layers are sent.
type prefetchMode int

const (
	prefetchAuto prefetchMode = iota // on a mount short of RAM, guesses that are good, while hints save time
	prefetchOn                       // always; on a plain folder guesses are only counted
	prefetchOff
)

var prefetchModes = map[string]prefetchMode{"auto": prefetchAuto, "on": prefetchOn, "off": prefetchOff}

// predictor guesses which experts the next layers will choose, by applying their
// routers to the residual stream as it is before the experts of this one: what is
// still to be added is small beside what is there. A load takes the drive as long
// as one or two layers take to compute, so each layer is guessed from several
// layers before it: from afar, when all of a load can still be hidden, and again
// from near, when guesses are better.
type predictor struct {
	mode prefetchMode
	on   bool // guesses are made

	logits []float32 // [looks*n][E]
	space  []lookSpace

	layers []layerGuesses
	shares [looks + 1][margins]share // of right guesses, by layers ahead
	trial  trial
	counts []Prediction          // by layer: hints from everywhere, the rest from the layer before it
	ahead  [looks + 1]Prediction // by layers ahead
}

// looks is how many layers are looked ahead.
const looks = 3

// lookSpace is one thread's memory for a router's input.
type lookSpace struct {
	normed []float32
	vec    kernel.Vec
}

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

func newPredictor(mode prefetchMode, layers, experts, threads int) *predictor {
	p := &predictor{
		mode: mode, space: make([]lookSpace, threads),
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

// lookAhead guesses the layers after l for the n tokens of the batch, and tells
// the mount.
func (e *Engine) lookAhead(l, n int) error {
	p, rows := e.predictor, e.cfg.Experts
	count := min(looks, len(e.layers)-1-l)
	if n >= largeBatch {
		count = min(count, 1)
	}
	if !p.on || count == 0 {
		return nil
	}
	p.logits = resize(p.logits, count*n*rows)
	if err := e.pool.run(count*n, func(thread, task int) {
		e.look(&p.space[thread], p.logits[task*rows:(task+1)*rows], l+1+task/n, task%n)
	}); err != nil {
		return err
	}
	for i := range count {
		p.guess(l+1+i, 1+i, p.logits[i*n*rows:(i+1)*n*rows], n, e.cfg.TopK)
		e.hint(l+1+i, 1+i, n)
	}
	e.experts.hints.SendAhead()
	return nil
}

// look writes the scores that the router of layer l gives token t as it is now.
func (e *Engine) look(space *lookSpace, logits []float32, l, t int) {
	h, layer := e.cfg.Hidden, e.layers[l]
	space.normed = resize(space.normed, h)
	kernel.RMSNorm(space.normed, e.work.x[t*h:(t+1)*h], layer.MLPNorm, float32(e.cfg.RMSEps))
	space.vec.Set(space.normed, kernel.F32)
	layer.Gate.MulVec(logits, &space.vec, 0, len(logits))
	kernel.Add(logits, layer.GateBias)
}

// guess notes the best k experts of layer l for each of the n tokens.
func (p *predictor) guess(l, ahead int, logits []float32, n, k int) {
	made := p.layers[l].made[ahead][:0]
	rows := len(logits) / n
	for t := range n {
		made = appendGuesses(made, logits[t*rows:(t+1)*rows], k)
	}
	p.layers[l].made[ahead] = made
}

// hint notes for the mount what was guessed of layer l, as far as it is worth it.
func (e *Engine) hint(l, ahead, n int) {
	p := e.predictor
	list := p.worthHints(l, ahead, n, e.cfg.TopK)
	p.counts[l].Hinted += int64(len(list))
	p.ahead[ahead].Hinted += int64(len(list))
	e.experts.hints.Prefetch(l, list)
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
