package infer

import (
	"errors"

	"expertfs/infer/kernel"
)

// moeSpace is the memory of the mixture of experts for a batch of n tokens with
// k experts each. A route is one token's use of one expert; routes are ordered
// by expert, so that the rows of an expert stand together.
type moeSpace struct {
	logits  []float32 // [n][E], the router's
	chosen  []int     // [n*k], experts by token, best first
	weight  []float32 // [n*k], by token
	rowOf   []int     // [n*k], the route's row in the order by expert
	tokenOf []int     // [n*k], the token of each row
	start   []int     // [E+1], the first row of each expert
	used    []int     // experts that have rows, ascending
	y       []float32 // [n*k][H], what the experts give, by row

	in    input     // all tokens, prepared for the experts
	units []unit    // the experts computed together
	up    []float32 // [rows of the units][2*I]
	mid   []float32 // [rows of the units][I]
}

// unit is one expert at work on its rows.
type unit struct {
	*heldExpert
	first, rows int // in the order by expert
	at          int // first row in up and mid
	in, hidden  input
}

// mixture adds layer l's mixture of experts to the residual stream of the n
// tokens from position first on.
func (e *Engine) mixture(l, first, n int) error {
	w := &e.work
	w.normed = resize(w.normed, n*e.cfg.Hidden)
	if err := e.normalize(w.normed, 0, n, e.layers[l].MLPNorm); err != nil {
		return err
	}
	if err := e.route(l, first, n); err != nil {
		return err
	}
	m := &w.moe
	m.group(e.cfg.Experts, e.cfg.TopK)
	e.predictor.judge(l, n, m.used)
	if err := e.prepare(&m.in, w.normed, n, e.cfg.Hidden, e.set.act); err != nil {
		return err
	}
	m.y = resize(m.y, n*e.cfg.TopK*e.cfg.Hidden)
	if err := e.runExperts(l, n); err != nil {
		return errors.Join(err, e.experts.abandon())
	}
	return e.combine(n)
}

// route chooses the experts of n tokens and their weights.
func (e *Engine) route(l, first, n int) error {
	m, k, rows := &e.work.moe, e.cfg.TopK, e.cfg.Experts
	m.logits = resize(m.logits, n*rows)
	if err := e.routerLogits(m.logits, e.work.normed, l, n, &e.work.in); err != nil {
		return err
	}
	m.chosen, m.weight = resize(m.chosen, n*k), resize(m.weight, n*k)
	for t := range n {
		chosen, logits := m.chosen[t*k:(t+1)*k], m.logits[t*rows:(t+1)*rows]
		topK(chosen, logits)
		if e.hooks.Route != nil {
			e.hooks.Route(l, first+t, chosen)
		}
		expertWeights(m.weight[t*k:(t+1)*k], logits, chosen)
		if e.hooks.OnRoute != nil {
			e.hooks.OnRoute(l, first+t, chosen)
		}
	}
	return nil
}

// group orders the routes by expert.
func (m *moeSpace) group(experts, k int) {
	m.start = resize(m.start, experts+1)
	clear(m.start)
	for _, x := range m.chosen {
		m.start[x+1]++
	}
	m.used = m.used[:0]
	for x := range experts {
		if m.start[x+1] > 0 {
			m.used = append(m.used, x)
		}
		m.start[x+1] += m.start[x]
	}
	next := append([]int(nil), m.start[:experts]...)
	m.rowOf, m.tokenOf = resize(m.rowOf, len(m.chosen)), resize(m.tokenOf, len(m.chosen))
	for i, x := range m.chosen {
		m.rowOf[i], m.tokenOf[next[x]] = next[x], i/k
		next[x]++
	}
}

// runExperts computes all routes of layer l. It asks for a few experts ahead,
// and computes what has arrived while the others load; which those are does not
// show in the results, since every route has a row of its own.
func (e *Engine) runExperts(l, n int) error {
	m, s := &e.work.moe, e.experts
	s.announce(l, m.used)
	ahead := min(max(e.cfg.TopK, minAhead), maxOpening)
	asked, done := 0, 0
	for done < len(m.used) {
		for asked < len(m.used) && asked-done < ahead {
			s.request(l, m.used[asked])
			asked++
		}
		if done == 0 { // while the mount is told and opens the first
			if err := e.lookAhead(l, n); err != nil {
				return err
			}
		}
		err := e.gather(n)
		if err == nil {
			err = e.runUnits()
		}
		for i := range m.units {
			s.release(m.units[i].heldExpert)
		}
		if err != nil {
			return err
		}
		done += len(m.units)
	}
	return nil
}

// minAhead is how many experts a batch asks for ahead, where a token uses fewer.
const minAhead = 2

// gather waits for an expert and takes it together with those that are there
// too, as long as their rows are not more than the workspace should hold. The
// caller releases the units, also after an error.
func (e *Engine) gather(n int) error {
	m := &e.work.moe
	limit := max(n, e.cfg.TopK)
	m.units = m.units[:0]
	for rows := 0; rows < limit; {
		h, err := e.experts.next(len(m.units) == 0)
		if err != nil {
			return err
		}
		if h == nil {
			break
		}
		x := h.key.expert
		u := m.nextUnit()
		u.heldExpert, u.first, u.rows, u.at = h, m.start[x], m.start[x+1]-m.start[x], rows
		rows += u.rows
	}
	return nil
}

// nextUnit appends a unit whose memory is kept from earlier use.
func (m *moeSpace) nextUnit() *unit {
	if len(m.units) < cap(m.units) {
		m.units = m.units[:len(m.units)+1]
	} else {
		m.units = append(m.units, unit{})
	}
	return &m.units[len(m.units)-1]
}

// combine adds the weighted outputs of each token's experts to the residual
// stream, best expert first.
func (e *Engine) combine(n int) error {
	w, m, h, k := &e.work, &e.work.moe, e.cfg.Hidden, e.cfg.TopK
	return e.pool.run(n, func(_, t int) {
		sum := w.normed[t*h : (t+1)*h] // no longer needed
		clear(sum)
		for i := t * k; i < (t+1)*k; i++ {
			kernel.AddScaled(sum, m.weight[i], m.y[m.rowOf[i]*h:(m.rowOf[i]+1)*h])
		}
		kernel.Add(w.x[t*h:(t+1)*h], sum)
	})
}
