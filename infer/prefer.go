package infer

import (
	"cmp"
	"slices"

	"expertfs"
)

// preference has the router lean towards experts in RAM (Options.PreferResident):
// it adds a margin to their logits, and then takes the best k. So an expert is
// passed over only for one in RAM whose logit is less than the margin below its
// own. The weights of those taken remain the softmax of the true logits.
//
// It is for generation alone: a token that is computed by itself. A prompt's tokens
// use most experts of a layer between them, so that there is nothing to choose. And
// it waits until the cache is warm: what happens to be in RAM first would keep
// others out, were it preferred.
//
// A nil preference does nothing. It is used by whoever computes a batch, one
// goroutine at a time.
type preference struct {
	margin float32
	page   func() *expertfs.Residency
	warm   int // experts in RAM, at least, before any is preferred
	stats  *Stats

	on       bool   // the cache is warm
	resident []byte // the experts of the layer last looked at
	biased   []float32
	best     []int
}

// warmTokens is how many tokens' experts make a cache warm. A cache of a quarter of
// a model with 4 of 32 experts a token has room for two, and some of it is kept free.
const warmTokens = 1.5

func newPreference(margin float64, layers, experts, k int, page func() *expertfs.Residency, stats *Stats) *preference {
	if margin == 0 {
		return nil
	}
	return &preference{
		margin: float32(margin), page: page, warm: int(warmTokens * float64(k*layers)), stats: stats,
		resident: make([]byte, experts), biased: make([]float32, experts), best: make([]int, k),
	}
}

// look takes a layer's experts in RAM, for what follows.
func (p *preference) look(layer int) {
	if p == nil {
		return
	}
	page := p.page()
	page.Layer(p.resident, layer)
	p.on = page.Count() >= p.warm
}

// applies tells whether the choice for a token leans towards RAM.
func (p *preference) applies(r row) bool { return p != nil && p.on && r.alone }

// choose changes the router's choice for a token, and counts.
func (p *preference) choose(r row, chosen []int, logits []float32) {
	if !p.applies(r) {
		return
	}
	n := p.replace(chosen, logits)
	p.stats.Substituted += int64(n)
	r.session.substituted += n
}

// replace replaces the k best experts by those that are best with the margin added
// to residents. It returns how many of them are not among the k best. They come in
// the order of their true logits.
func (p *preference) replace(chosen []int, logits []float32) (substituted int) {
	if !slices.ContainsFunc(chosen, func(e int) bool { return p.resident[e] != expertfs.InMemory }) {
		return 0 // the bonus of all leaves them the best
	}
	copy(p.biased, logits)
	p.bias(p.biased)
	topK(p.best, p.biased)
	for _, e := range p.best {
		if !slices.Contains(chosen, e) {
			substituted++
		}
	}
	if substituted == 0 {
		return 0
	}
	copy(chosen, p.best)
	slices.SortFunc(chosen, func(a, b int) int {
		return cmp.Or(cmp.Compare(logits[b], logits[a]), cmp.Compare(a, b))
	})
	return substituted
}

// bias adds the margin to the logits of experts in RAM.
func (p *preference) bias(logits []float32) {
	for e, in := range p.resident {
		if in == expertfs.InMemory {
			logits[e] += p.margin
		}
	}
}
