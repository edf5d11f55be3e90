package rows

import "golang.org/x/sys/cpu"

// lanes are the numbers of a vector.
const lanes = 8

// vectors tells whether there are vectors of 8 numbers. Tests change it.
var vectors = cpu.X86.HasAVX2

//go:noescape
func addAVX(z, x *float32, groups int, w float32)

//go:noescape
func add4AVX(z, a, b, c, d *float32, groups int, w *[4]float32)

//go:noescape
func descendAVX(w, seen, grads *float32, groups int, rate, factor float32)

//go:noescape
func sigmoidAVX(dst, z *float32, groups int, table *[sigmoidSteps]float32)

// The functions below tell how much of a row they have done: whole vectors.

func add(z, x []float32, w float32) int {
	groups := len(z) / lanes
	if groups == 0 || !vectors {
		return 0
	}
	x = x[:len(z)]
	addAVX(&z[0], &x[0], groups, w)
	return groups * lanes
}

func add4(z []float32, x *[4][]float32, w *[4]float32) int {
	groups, n := len(z)/lanes, len(z)
	if groups == 0 || !vectors {
		return 0
	}
	a, b, c, d := x[0][:n], x[1][:n], x[2][:n], x[3][:n]
	add4AVX(&z[0], &a[0], &b[0], &c[0], &d[0], groups, w)
	return groups * lanes
}

func descend(w, seen, grads []float32, rate, factor float32) int {
	groups, n := len(grads)/lanes, len(grads)
	if groups == 0 || !vectors {
		return 0
	}
	w, seen = w[:n], seen[:n]
	descendAVX(&w[0], &seen[0], &grads[0], groups, rate, factor)
	return groups * lanes
}

func sigmoidRow(dst, z []float32) int {
	groups := len(z) / lanes
	if groups == 0 || !vectors {
		return 0
	}
	sigmoidAVX(&dst[0], &z[0], groups, &sigmoids)
	return groups * lanes
}
