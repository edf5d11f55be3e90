package rows

import "math"

// Add adds w times x to z, which is no longer.
func Add(z, x []float32, w float32) {
	n := add(z, x, w)
	addGeneric(z[n:], x[n:], w)
}

// Add4 adds four rows in the order of one after the other, in one pass over z.
func Add4(z []float32, x *[4][]float32, w *[4]float32) {
	n := add4(z, x, w)
	add4Generic(z, x, w, n)
}

// Descend takes gradients, times a factor, from weights w, each at its own rate,
// which falls with seen, the sum of its squared gradients (AdaGrad: Duchi,
// Hazan, Singer, JMLR 2011). All have the length of grads, or are longer.
func Descend(w, seen, grads []float32, rate, factor float32) {
	n := descend(w, seen, grads, rate, factor)
	descendGeneric(w[n:], seen[n:], grads[n:], rate, factor)
}

func addGeneric(z, x []float32, w float32) {
	for i, v := range x[:len(z)] {
		z[i] += float32(w * v)
	}
}

func add4Generic(z []float32, x *[4][]float32, w *[4]float32, from int) {
	a, b, c, d := x[0][:len(z)], x[1][:len(z)], x[2][:len(z)], x[3][:len(z)]
	wa, wb, wc, wd := w[0], w[1], w[2], w[3]
	for i := from; i < len(z); i++ {
		z[i] = z[i] + float32(wa*a[i]) + float32(wb*b[i]) + float32(wc*c[i]) + float32(wd*d[i])
	}
}

func descendGeneric(w, seen, grads []float32, rate, factor float32) {
	w, seen = w[:len(grads)], seen[:len(grads)]
	for i, g := range grads {
		g *= factor
		s := seen[i] + float32(g*g)
		seen[i] = s
		w[i] -= float32(rate*g) / float32(math.Sqrt(float64(s+1)))
	}
}

// The logistic function is tabulated, because it is needed some ten thousand
// times a token, and drawn out straight between the entries.
const (
	sigmoidEnd   = 16
	sigmoidSteps = 4096
	sigmoidScale = float32(sigmoidSteps-1) / (2 * sigmoidEnd) // entries for 1
)

var sigmoids = func() (table [sigmoidSteps]float32) {
	for i := range table {
		x := float64(i)/(sigmoidSteps-1)*2*sigmoidEnd - sigmoidEnd
		table[i] = float32(1 / (1 + math.Exp(-x)))
	}
	return table
}()

// Sigmoid is 1/(1+exp(-x)), to some 1e-6, and monotone.
func Sigmoid(x float32) float32 {
	at := (min(max(x, -sigmoidEnd), sigmoidEnd) + sigmoidEnd) * sigmoidScale
	i := min(max(int(at), 0), sigmoidSteps-2) // within the table whatever x is
	return sigmoids[i] + float32((at-float32(i))*(sigmoids[i+1]-sigmoids[i]))
}

// Sigmoids sets dst to the Sigmoid of each of z, which is no longer.
func Sigmoids(dst, z []float32) {
	dst = dst[:len(z)]
	for i := sigmoidRow(dst, z); i < len(z); i++ {
		dst[i] = Sigmoid(z[i])
	}
}
