package infer

import (
	"expertfs"
	"expertfs/checkpoint/config"
	"expertfs/infer/experts"
	"expertfs/infer/kernel"
	"expertfs/infer/weights"
)

// mixture is the second half of a layer, the mixture of experts:
//
//	z  = norm(x)
//	x += sum of weight(r) * expert(r)(z) over the routes r = router(z)
//
// The experts are files. They are asked for when the router has chosen them, and
// what has arrived is computed while the rest loads; which those are does not show
// in the results, since every route has a row of its own.
type mixture struct {
	m      *machine
	layer  int
	norm   norm
	router router
	mlp    *mlp

	experts *experts.Store[weights.Expert]
	ahead   *lookahead
	hooks   *Hooks
	prefer  *preference // nil: the router alone chooses

	mem *mixtureMemory
}

// mixtureMemory is what a mixture works in. The layers share it, since they run
// one after another: nothing in it outlives a forward.
type mixtureMemory struct {
	normed buffer // [n][H]
	logits buffer // [n][E], the router's
	routes routes
	y      buffer         // [n*k][H], what the experts give, by route
	units  []unit         // the experts computed together
	opens  []expertfs.Key // asked for in turn
	sum    buffer         // [threads][H]
}

func newMixture(m *machine, c *config.Config, n int, l *weights.Layer, mlp *mlp, mem *mixtureMemory) *mixture {
	return &mixture{
		m: m, layer: n, norm: norm{l.MLPNorm, float32(c.RMSEps)},
		router: router{gate: newGate(c, l), k: c.TopK}, mlp: mlp, mem: mem,
	}
}

// forward adds the layer's mixture of experts to x, the residual stream of tokens at
// the given positions.
func (b *mixture) forward(x vectors, at positions) error {
	n := x.n
	normed := b.norm.forward(b.m, b.mem.normed.take(n, x.width), x)
	routes := b.route(normed, at.rows)
	b.mlp.prepare(normed)
	y := b.mem.y.take(n*b.router.k, x.width)
	if err := b.runExperts(y, routes, x, at.rows); err != nil {
		return err
	}
	b.combine(x, y, routes)
	return nil
}

// route chooses the experts and shows them to the hooks.
func (b *mixture) route(normed vectors, rows []row) *routes {
	r := &b.mem.routes
	b.prefer.look(b.layer)
	b.router.forward(b.m, r, b.mem.logits.take(normed.n, b.router.gate.rows), normed, func(t int, chosen []int, logits []float32) {
		b.prefer.choose(rows[t], chosen, logits)
		if b.hooks.Route != nil {
			b.hooks.Route(rows[t].session, b.layer, rows[t].position, chosen)
		}
		if b.hooks.OnRoute != nil {
			b.hooks.OnRoute(rows[t].session, b.layer, rows[t].position, chosen)
		}
	})
	return r
}

// minAhead is how many experts a batch asks for ahead, where a token uses fewer.
const minAhead = 2

// opening is how many experts of n tokens are opened at a time. Of a prompt each is
// computed for longer than it takes to be read, and some are enough. A few tokens use
// experts that are computed in a fifth of the time that the drive needs, and what is
// in RAM does not stand between those that are not: all are asked for at once.
func (b *mixture) opening(n int) int {
	least := min(max(b.router.k, minAhead), experts.MaxOpening)
	if n >= fewTokens {
		return least
	}
	return max(least, b.experts.MostOpening())
}

// fewTokens is less than a large batch.
const fewTokens = 32

// runExperts computes all routes, some experts being asked for ahead. Those that are
// mapped are there at once, and computed while others are opened. X is what
// the next layers' experts are predicted from, row by row.
func (b *mixture) runExperts(y vectors, routes *routes, x vectors, rows []row) error {
	used := routes.used
	b.experts.Announce(b.layer, used)
	opening := b.opening(x.n)
	opens := b.mem.opens[:0]
	for _, e := range used {
		if k := expertfs.NewKey(b.layer, e); b.experts.Mapped(k) {
			b.experts.Request(k)
		} else {
			opens = append(opens, k)
		}
	}
	b.mem.opens = opens
	done := 0
	for done < len(used) {
		for len(opens) > 0 && b.experts.Outstanding() < opening {
			b.experts.Request(opens[0])
			opens = opens[1:]
		}
		if done == 0 { // while the mount is told and opens the first
			b.ahead.predict(b.layer, x, rows)
		}
		n, err := b.runArrived(y, routes)
		if err != nil {
			return err
		}
		done += n
	}
	return nil
}

// runArrived waits for an expert and computes it together with those that are
// there too. It returns how many there were.
func (b *mixture) runArrived(y vectors, routes *routes) (int, error) {
	units, err := b.gather(routes)
	defer func() {
		for i := range units {
			b.experts.Release(units[i].expert)
		}
	}()
	if err == nil {
		b.mlp.forward(y, units, routes.tokenOf)
	}
	return len(units), err
}

// gather waits for an expert and takes it together with those that are there too,
// as long as their routes are not more than the tokens, or those of one token: so
// much memory the mlp should need. The caller releases them, also after an error.
func (b *mixture) gather(routes *routes) ([]unit, error) {
	units := b.mem.units[:0]
	defer func() { b.mem.units = units }()
	k := b.router.k
	limit := max(len(routes.chosen)/k, k)
	for rows := 0; rows < limit; {
		x, err := b.experts.Next(len(units) == 0)
		if err != nil {
			return units, err
		}
		if x == nil {
			break
		}
		if len(units) < cap(units) {
			units = units[:len(units)+1] // whose memory is kept from earlier use
		} else {
			units = append(units, unit{})
		}
		u := &units[len(units)-1]
		u.expert = x
		u.first, u.rows = routes.of(int(x.Key.Expert))
		rows += u.rows
	}
	return units, nil
}

// combine adds the weighted outputs of each token's experts to the residual
// stream, best expert first.
func (b *mixture) combine(x, y vectors, routes *routes) {
	sums := b.mem.sum.take(b.m.threads, x.width)
	b.m.run(x.n, func(thread, t int) {
		sum := sums.at(thread)
		clear(sum)
		weights := routes.weightsOf(t)
		for i, row := range routes.rowsOf(t) {
			kernel.AddScaled(sum, weights[i], y.at(row))
		}
		kernel.Add(x.at(t), sum)
	})
}
