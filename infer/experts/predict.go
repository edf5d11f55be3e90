package experts

import (
	"slices"
	"time"

	"expertfs"
)

// Prefetch says when the mount is told of predictions.
type Prefetch int

const (
	PrefetchAuto Prefetch = iota // on a mount short of RAM, predictions that are good, while hints save time
	PrefetchOn                   // always; on a plain folder predictions are only counted
	PrefetchOff
)

// Predicted is an expert that a token is expected to choose.
type Predicted struct {
	Expert int
	Margin int // how sure that is, 0 to Margins-1: predictions of one margin are judged together
}

const (
	// MaxAhead is how many layers ahead predictions are taken.
	MaxAhead = 3
	// Margins is the number of kinds of predictions.
	Margins = 8
)

// Predictor judges predictions of which experts the next layers will choose, and
// tells the mount of those that are worth it: a load takes the drive as long as one
// or two layers take to compute. How predictions are made is their maker's affair.
// It belongs to a Store and is used as that is.
type Predictor struct {
	hints *hints
	mode  Prefetch
	on    bool // predictions are wanted
	topK  int
	n     int // tokens of the batch

	layers     []layerPredictions
	precisions [MaxAhead + 1][Margins]precision // by layers ahead
	trial      trial
	counts     []Accuracy             // by layer: hints from everywhere, the rest from the layer before it
	ahead      [MaxAhead + 1]Accuracy // by layers ahead
}

const (
	// largeBatch is the number of tokens from which predictions need no proof: so
	// many use most of a layer's experts, and looking one layer ahead is enough.
	largeBatch = 32
	// maxHinted bounds the experts of a layer that are asked for at a time.
	maxHinted = 8
)

func newPredictor(hints *hints, mode Prefetch, names expertfs.Names, topK int) *Predictor {
	p := &Predictor{
		hints: hints, mode: mode, topK: topK,
		layers: make([]layerPredictions, names.Layers), counts: make([]Accuracy, names.Layers),
	}
	for l := range p.layers {
		g := &p.layers[l]
		g.hinted, g.chosen, g.seen = make([]bool, names.Experts), make([]bool, names.Experts), make([]bool, names.Experts)
	}
	return p
}

// begin prepares for a batch of n tokens. Short says that the folder is a mount
// that has no room for all experts.
func (p *Predictor) begin(n int, short bool) {
	p.n = n
	p.on = p.mode == PrefetchOn || p.mode == PrefetchAuto && short
	for l := range p.layers {
		p.layers[l].clear()
	}
	p.hints.ForgetAhead()
}

// took records how long the batch took; 0 stands for one that was not whole. A batch of a
// few texts counts as one of a single text, by its time for each token.
func (p *Predictor) took(d time.Duration) {
	if p.on && p.mode == PrefetchAuto && p.n < largeBatch && d > 0 {
		p.trial.took(d / time.Duration(p.n))
	}
}

// Depth is how many of the layers after the given one are to be predicted from it:
// MaxAhead at most, and 0 if nobody wants to know.
func (p *Predictor) Depth(layer int) int {
	if !p.on {
		return 0
	}
	count := min(MaxAhead, len(p.layers)-1-layer)
	if p.n >= largeBatch {
		count = min(count, 1)
	}
	return count
}

// Predict takes the experts that each token of the batch is expected to choose in a
// layer, top-k for a token, the surest first. Ahead is from how many layers before
// it. The mount is told by Send.
func (p *Predictor) Predict(layer, ahead int, made []Predicted) {
	p.layers[layer].made[ahead] = append(p.layers[layer].made[ahead][:0], made...)
	list := p.worthHints(layer, ahead)
	p.counts[layer].Hinted += int64(len(list))
	p.ahead[ahead].Hinted += int64(len(list))
	p.hints.Prefetch(layer, list)
}

// Send tells the mount of the predictions that are worth it, in the background.
func (p *Predictor) Send() { p.hints.SendAhead() }

// worthHints returns the experts of a layer that the mount should be told of, the
// best of every token first. Those of the next layer are told again: the mount may
// have had no room for them when they were predicted from afar.
func (p *Predictor) worthHints(layer, ahead int) (list []int) {
	proven := p.mode == PrefetchOn || p.n >= largeBatch
	if !proven && !p.trial.hints() {
		return nil
	}
	g := &p.layers[layer]
	for rank := range p.topK {
		for t := range p.n {
			x := g.made[ahead][t*p.topK+rank]
			if len(list) < maxHinted && !slices.Contains(list, x.Expert) && (ahead == 1 || !g.hinted[x.Expert]) &&
				(proven || p.precisions[ahead][x.Margin].good()) {
				g.hinted[x.Expert] = true
				list = append(list, x.Expert)
			}
		}
	}
	return list
}

// judge compares the predictions for a layer with the experts that are used there.
func (p *Predictor) judge(layer int, used []int) {
	g := &p.layers[layer]
	for ahead, made := range g.made {
		if len(made) == 0 {
			continue
		}
		c := g.compare(made, used)
		p.ahead[ahead].add(c)
		if ahead == 1 {
			p.counts[layer].add(c)
		}
		if p.n < largeBatch {
			for _, x := range made {
				p.precisions[ahead][x.Margin].add(g.chosen[x.Expert])
			}
		}
	}
}
