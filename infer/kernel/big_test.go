package kernel

import (
	"math/big"
)

// bigFMA is a*b + c by arithmetic without rounding; ok is false where an operand
// is not finite.
func bigFMA(a, b, c float32) (sum float32, ok bool) {
	var terms [3]*big.Float
	for i, f := range [3]float32{a, b, c} {
		if f-f != 0 {
			return 0, false
		}
		terms[i] = new(big.Float).SetPrec(1000).SetFloat64(float64(f))
	}
	p := new(big.Float).SetPrec(1000).Mul(terms[0], terms[1])
	sum, _ = p.Add(p, terms[2]).Float32()
	return sum, true
}
