package infer

import "expertfs/infer/kernel"

// lookahead guesses which experts the next layers will choose, by applying their
// routers to the residual stream as it is before the experts of this one: what is
// still to be added is small beside what is there. A load takes the drive as long
// as one or two layers take to compute, so each layer is guessed from several
// layers before it: from afar, when all of a load can still be hidden, and again
// from near, when guesses are better.
type lookahead struct {
	m         *machine
	layers    []*mixture // all of the model
	predictor *predictor

	logits buffer      // of one guess: [n][E] for each layer, one after another
	made   []guess     // of one layer
	space  []lookSpace // by thread, within one task
}

// lookSpace is one thread's memory for a router's input.
type lookSpace struct {
	normed []float32
	vec    kernel.Vec
}

// guess guesses the layers after the given one from x, the residual stream of its
// tokens, and tells the mount.
func (a *lookahead) guess(layer int, x vectors) {
	depth := a.predictor.depth(layer, x.n)
	if depth == 0 {
		return
	}
	next := a.layers[layer+1 : layer+1+depth]
	logits := a.logits.take(depth*x.n, next[0].router.gate.rows)
	a.m.run(logits.n, func(thread, task int) {
		a.look(&a.space[thread], logits.at(task), next[task/x.n], x.at(task%x.n))
	})
	for i, b := range next {
		a.made = a.made[:0]
		for t := range x.n {
			a.made = appendGuesses(a.made, logits.at(i*x.n+t), b.router.k)
		}
		a.predictor.guess(b.layer, 1+i, x.n, b.router.k, a.made)
	}
	a.predictor.hints.SendAhead()
}

// look writes the scores that the router of b gives a token as it is now.
func (a *lookahead) look(space *lookSpace, logits []float32, b *mixture, x []float32) {
	space.normed = resize(space.normed, len(x))
	b.norm.one(space.normed, x)
	space.vec.Set(space.normed, b.router.gate.act)
	b.router.scores(logits, &space.vec)
}
