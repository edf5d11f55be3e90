package infer

import (
	"time"

	"expertfs/infer/kernel"
)

// prefetchMode says when hints about the next layer are sent.
type prefetchMode int

const (
	prefetchAuto prefetchMode = iota // on a mount short of RAM, where guesses are good and hints save time
	prefetchOn                       // always; on a plain folder guesses are only counted
	prefetchOff
)

var prefetchModes = map[string]prefetchMode{"auto": prefetchAuto, "on": prefetchOn, "off": prefetchOff}

// predictor guesses which experts the next layer will choose, by applying that
// layer's router to the residual stream as it is so far: what is still to be
// added is small beside what is there. It does so twice: before this layer's
// experts, whose computation hides most of a load, for the experts that are
// nearly sure; and after them, when guesses are better and only attention is
// left to hide a load, for all.
type predictor struct {
	on   bool // guesses are made
	auto bool // hints are sent only where guesses are good
	n    int  // tokens that were guessed for

	normed  []float32
	logits  []float32
	in      input
	guesses []int  // [n][k]
	wanted  []int  // the guessed experts, ascending, each once
	seen    []bool // [E], whether an expert is among them

	trial  trial
	recent []float64 // by layer: share of right guesses, recent ones counting more
	judged []int     // by layer: batches that recent is made of
	counts []Prediction
}

// Prediction counts the guesses for one layer, each expert once per batch of
// tokens. Precision is Right/Guessed, recall Right/Chosen; they are the same
// where tokens come one by one.
type Prediction struct {
	Guessed int64 // experts guessed
	Chosen  int64 // experts chosen by the router, where there were guesses
	Right   int64 // both
	Hinted  int64 // experts that the mount was told to prefetch
}

const (
	// goodGuesses is the share of right guesses from which hints are sent. A
	// right one hides a part of a load behind the computation; a wrong one takes
	// the drive for a whole load, and an expert's place in RAM.
	goodGuesses = 0.6
	// recentBatches is about how many batches the recent share covers, and
	// minJudged how many are only judged before hints are sent.
	recentBatches = 64
	minJudged     = 8
	// largeBatch is the number of tokens from which guesses need no trial: so
	// many use most of a layer's experts.
	largeBatch = 32
	// maxHinted bounds the experts that are asked for ahead.
	maxHinted = 8
)

// newPredictor returns a predictor; short says that the folder is a mount that
// has no room for all experts.
func newPredictor(mode prefetchMode, layers, experts int, short bool) *predictor {
	return &predictor{
		on: mode == prefetchOn || mode == prefetchAuto && short, auto: mode == prefetchAuto,
		seen:   make([]bool, experts),
		recent: make([]float64, layers), judged: make([]int, layers), counts: make([]Prediction, layers),
	}
}

// trusted tells whether guesses for n tokens in layer l are worth a hint.
func (p *predictor) trusted(l, n int) bool {
	if !p.auto || n >= largeBatch {
		return true
	}
	return p.judged[l] >= minJudged && p.recent[l] >= goodGuesses && p.trial.hints()
}

// took records how long a batch of n tokens took.
func (p *predictor) took(n int, d time.Duration) {
	if p.on && p.auto && n == 1 {
		p.trial.took(d)
	}
}

// predict guesses k experts of layer l for each of the n tokens of the batch,
// and tells the mount. The latest guesses are the ones that are judged.
func (e *Engine) predict(l, n, k int) error {
	p, rows := e.predictor, e.cfg.Experts
	p.n = 0
	if !p.on || k == 0 || l == len(e.layers) {
		return nil
	}
	layer := e.layers[l]
	p.normed, p.logits = resize(p.normed, n*e.cfg.Hidden), resize(p.logits, n*rows)
	if err := e.normalize(p.normed, 0, n, layer.MLPNorm); err != nil {
		return err
	}
	if err := e.routerLogits(p.logits, p.normed, l, n, &p.in); err != nil {
		return err
	}
	p.n, p.guesses = n, resize(p.guesses, n*k)
	for t := range n {
		topK(p.guesses[t*k:(t+1)*k], p.logits[t*rows:(t+1)*rows])
	}
	p.distinct()
	if p.trusted(l, n) {
		first := p.wanted[:min(len(p.wanted), maxHinted)]
		p.counts[l].Hinted += int64(len(first))
		e.experts.hints.Prefetch(l, first)
	}
	return nil
}

// distinct fills in seen and wanted.
func (p *predictor) distinct() {
	clear(p.seen)
	for _, x := range p.guesses {
		p.seen[x] = true
	}
	p.wanted = p.wanted[:0]
	for x, is := range p.seen {
		if is {
			p.wanted = append(p.wanted, x)
		}
	}
}

// judge compares the guesses for layer l with the experts that are used there.
func (p *predictor) judge(l int, used []int) {
	if p.n == 0 {
		return
	}
	right := 0
	for _, x := range used {
		if p.seen[x] {
			right++
		}
	}
	c := &p.counts[l]
	c.Guessed += int64(len(p.wanted))
	c.Chosen += int64(len(used))
	c.Right += int64(right)
	if p.n < largeBatch {
		p.judged[l] = min(p.judged[l]+1, recentBatches)
		p.recent[l] += (float64(right)/float64(len(p.wanted)) - p.recent[l]) / float64(p.judged[l])
	}
}

// routerLogits writes the router's scores of layer l for n normed rows of x.
// The router works in float32 whatever the activations are: it is small, and a
// wrong choice costs more than rounding.
func (e *Engine) routerLogits(dst, x []float32, l, n int, in *input) error {
	layer, rows := e.layers[l], e.cfg.Experts
	if err := e.prepare(in, x, n, e.cfg.Hidden, kernel.F32); err != nil {
		return err
	}
	return e.mul(dst, &layer.Gate, rows, 2*e.cfg.Hidden, in, func(t, lo, hi int) {
		kernel.Add(dst[t*rows+lo:t*rows+hi], layer.GateBias[lo:hi])
	})
}
