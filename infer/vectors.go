package infer

// vectors are n vectors of the same width, one after another: what a batch of n
// tokens has at some place of the model. The value is a view; its owner is the
// buffer that it was taken from.
type vectors struct {
	n, width int
	data     []float32 // [n][width]
}

// at is vector i.
func (v vectors) at(i int) []float32 { return v.data[i*v.width : (i+1)*v.width] }

// from is count of the vectors, from the first one on.
func (v vectors) from(first, count int) vectors {
	return vectors{count, v.width, v.data[first*v.width : (first+count)*v.width]}
}

// buffer is memory for vectors. It is kept between batches and grows with the
// largest.
type buffer struct{ mem []float32 }

// take returns vectors whose contents are undefined. They are valid until the
// next take from the same buffer.
func (b *buffer) take(n, width int) vectors {
	b.mem = resize(b.mem, n*width)
	return vectors{n, width, b.mem}
}

// resize returns s with n elements, whose contents are undefined.
func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
