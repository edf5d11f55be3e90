package infer

import (
	"math"
	"math/big"
)

// Functions that give the same bits on every machine. Those of package math do not:
// on some processors they are assembly, on some products and sums are fused. Here
// conversions forbid that.

// expBelow0 is e^x for x up to 0, or a NaN.
func expBelow0(x float64) float64 {
	const (
		smallest = -745             // below, e^x is 0
		ln2Hi    = 0x1.62e42feep-1  // n times it is exact
		ln2Lo    = math.Ln2 - ln2Hi // what is left
	)
	if x < smallest {
		return 0
	}
	n := math.Floor(float64(x*math.Log2E) + 0.5)
	r := float64(x-float64(n*ln2Hi)) - float64(n*ln2Lo)
	p := 1.0 // 1 + r/1 * (1 + r/2 * (1 + ...))
	for k := 13; k > 0; k-- {
		p = float64(float64(p*r)/float64(k)) + 1
	}
	if math.IsNaN(x) {
		return x // n is no exponent
	}
	return math.Ldexp(p, int(n))
}

// sincos is the sine and cosine of x, for 0 <= x < 2^20.
func sincos(x float64) (sin, cos float64) {
	// Pi/2 in parts, of which the first two have 28 bits: multiples are exact.
	const (
		first  = 0x1.921fb54p0
		second = 0x442d184p-56
		third  = math.Pi/2 - first - second
	)
	n := math.Floor(float64(x*(2/math.Pi)) + 0.5)
	r := float64(float64(x-float64(n*first))-float64(n*second)) - float64(n*third)
	square := float64(r * r)
	s, c := 1.0, 1.0 // 1 - square/(2*3) * (1 - square/(4*5) * (1 - ...))
	for k := 16.0; k > 0; k -= 2 {
		s = 1 - float64(float64(s*square)/(k*(k+1)))
	}
	for k := 17.0; k > 0; k -= 2 {
		c = 1 - float64(float64(c*square)/(k*(k+1)))
	}
	s = float64(s * r)
	switch int(n) & 3 {
	case 0:
		return s, c
	case 1:
		return c, -s
	case 2:
		return -s, -c
	}
	return -c, s
}

// frequencies are theta^(-j/n) for 0 <= j < n.
func frequencies(theta float64, n int) []float64 {
	const precision = 160
	number := func(f float64) *big.Float { return new(big.Float).SetPrec(precision).SetFloat64(f) }
	power := func(x *big.Float, k int) *big.Float {
		p := number(1)
		for range k {
			p.Mul(p, x)
		}
		return p
	}
	// The n-th root by Newton's method, of which each step doubles the digits.
	root := number(math.Pow(theta, 1/float64(n)))
	for range 3 {
		next := number(theta)
		next.Quo(next, power(root, n-1))
		for range n - 1 {
			next.Add(next, root)
		}
		root.Quo(next, number(float64(n)))
	}
	out := make([]float64, n)
	for j := range out {
		f := number(1)
		out[j], _ = f.Quo(f, power(root, j)).Float64()
	}
	return out
}
