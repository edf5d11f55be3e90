package infer

import (
	"math"

	"expertfs/infer/kernel"
)

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
		x := math.Exp(float64(logits[e] - top))
		w[i] = float32(x)
		sum += x
	}
	for i := range w {
		w[i] = float32(float64(w[i]) / sum)
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
