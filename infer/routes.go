package infer

// routes says which experts the tokens of a batch use in one layer. A route is one
// token's use of one expert. Routes are numbered by expert, so that the rows of an
// expert stand together; row i of what the experts compute is that of route i.
type routes struct {
	k       int
	chosen  []int     // [n*k], experts by token, best first
	weight  []float32 // [n*k], by token
	rowOf   []int     // [n*k], by token: the number of the route
	tokenOf []int     // [n*k], the token of each route
	start   []int     // [E+1], the first route of each expert
	used    []int     // experts that have routes, ascending
}

// reset makes room for n tokens that choose k of so many experts.
func (r *routes) reset(n, k, experts int) {
	r.k = k
	r.chosen, r.weight = resize(r.chosen, n*k), resize(r.weight, n*k)
	r.rowOf, r.tokenOf = resize(r.rowOf, n*k), resize(r.tokenOf, n*k)
	r.start = resize(r.start, experts+1)
}

// chosenBy are the experts of token t, best first.
func (r *routes) chosenBy(t int) []int { return r.chosen[t*r.k : (t+1)*r.k] }

// weightsOf are the weights of the experts of token t.
func (r *routes) weightsOf(t int) []float32 { return r.weight[t*r.k : (t+1)*r.k] }

// rowsOf are the numbers of the routes of token t, in the order of its experts.
func (r *routes) rowsOf(t int) []int { return r.rowOf[t*r.k : (t+1)*r.k] }

// of returns the first route of an expert, and how many it has.
func (r *routes) of(expert int) (first, n int) {
	return r.start[expert], r.start[expert+1] - r.start[expert]
}

// group numbers the routes.
func (r *routes) group() {
	clear(r.start)
	for _, x := range r.chosen {
		r.start[x+1]++
	}
	r.used = r.used[:0]
	experts := len(r.start) - 1
	for x := range experts {
		if r.start[x+1] > 0 {
			r.used = append(r.used, x)
		}
		r.start[x+1] += r.start[x]
	}
	next := append([]int(nil), r.start[:experts]...)
	for i, x := range r.chosen {
		r.rowOf[i], r.tokenOf[next[x]] = next[x], i/r.k
		next[x]++
	}
}
