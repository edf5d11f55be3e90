package infer

import (
	"expertfs/infer/kernel"
)

// router scores a layer's experts for a token and takes the best k.
type router struct {
	gate linear // [E][H]
	k    int
}

// forward returns the routes of the normed vectors x. Logits is memory for the
// scores, [n][E]. Edit, if it is given, may replace the choice of a token's
// experts, whose scores it sees, before their weights are computed.
func (r *router) forward(m *machine, to *routes, logits, x vectors, edit func(t int, chosen []int, logits []float32)) {
	r.gate.forward(m, logits, x)
	to.reset(x.n, r.k, r.gate.rows)
	for t := range x.n {
		chosen := to.chosenBy(t)
		topK(chosen, logits.at(t))
		if edit != nil {
			edit(t, chosen, logits.at(t))
		}
		expertWeights(to.weightsOf(t), logits.at(t), chosen)
	}
	to.group()
}

// scores sets dst to what the router makes of one normed vector, on the calling
// thread.
func (r *router) scores(dst []float32, x *kernel.Vec) {
	r.gate.w.MulVec(dst, x, 0, len(dst))
	kernel.Add(dst, r.gate.bias)
}

// topK writes to chosen the indices of the len(chosen) largest logits, largest
// first; of equal ones the lower index comes first.
func topK(chosen []int, logits []float32) {
	n := 0
	for e, v := range logits {
		if n == len(chosen) && !(v > logits[chosen[n-1]]) {
			continue
		}
		if n < len(chosen) {
			n++
		}
		at := n - 1
		for at > 0 && v > logits[chosen[at-1]] {
			chosen[at] = chosen[at-1]
			at--
		}
		chosen[at] = e
	}
}

// expertWeights writes to w the softmax over the chosen experts' logits alone.
func expertWeights(w []float32, logits []float32, chosen []int) {
	top := logits[chosen[0]]
	for _, e := range chosen {
		top = max(top, logits[e])
	}
	var sum float64
	for i, e := range chosen {
		x := expBelow0(float64(logits[e] - top))
		w[i] = float32(x)
		sum += x
	}
	for i := range w {
		w[i] = float32(float64(w[i]) / sum)
	}
}
