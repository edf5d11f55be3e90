package infer

import "math"

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
