package sample

// popBest moves the best candidates to the front of cs, best first, until
// enough, told how many there are and the sum of their weights, says so. It
// returns that front, which holds all of cs when enough never does.
//
// The heap lies at the end of cs reversed, so that a popped candidate takes
// the place that the shrinking heap gives up and nothing is allocated.
func popBest(cs []candidate, enough func(n int, sum float64) bool) []candidate {
	at := func(i int) *candidate { return &cs[len(cs)-1-i] }
	size := len(cs)
	sift := func(i int) {
		for {
			child := 2*i + 1
			if child >= size {
				return
			}
			if child+1 < size && better(*at(child + 1), *at(child)) {
				child++
			}
			if !better(*at(child), *at(i)) {
				return
			}
			*at(i), *at(child) = *at(child), *at(i)
			i = child
		}
	}
	for i := size/2 - 1; i >= 0; i-- {
		sift(i)
	}
	var sum float64
	for n := 1; size > 0; n++ {
		size--
		*at(0), *at(size) = *at(size), *at(0)
		sum += at(size).weight
		if enough(n, sum) {
			return cs[:n]
		}
		sift(0)
	}
	return cs
}

// better orders candidates by weight, and by id where weights are equal, so
// that the order never depends on how the heap was built.
func better(a, b candidate) bool {
	if a.weight != b.weight {
		return a.weight > b.weight
	}
	return a.id < b.id
}
