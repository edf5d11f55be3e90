package sample

import "math"

// Mask makes the tokens impossible whose bit in allowed is not set: their
// logits become negative infinity, which no setting of Params draws. Token id is
// bit id%64 of allowed[id/64]; a missing word allows none.
//
// Logits that a session returns are shared: copy what else is read of them
// first.
func Mask(logits []float32, allowed []uint64) {
	never := float32(math.Inf(-1))
	for first := 0; first < len(logits); first += 64 {
		part := logits[first:min(first+64, len(logits))]
		var word uint64
		if first/64 < len(allowed) {
			word = allowed[first/64]
		}
		if word == math.MaxUint64 {
			continue
		}
		for i := range part {
			if word>>i&1 == 0 {
				part[i] = never
			}
		}
	}
}
