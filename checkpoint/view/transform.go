package view

// Transform makes bytes of a view from bytes of files, while they are copied. A
// nil *Transform is the identity.
//
// It works on units: a number of bytes from each of its inputs give a number of
// bytes to each of its outputs, whatever the units around them hold. So the
// workers that read a view each take some of its units.
type Transform struct {
	Name string  // for people
	In   []int64 // bytes that a unit takes of each input
	Out  []int64 // bytes that a unit gives to each output

	// Apply makes the outputs of whole units, one or more, as many of each:
	// len(src[i]) is a multiple of In[i], len(dst[i]) the same of Out[i].
	// None of them overlap, and dst may hold anything before. It is called
	// concurrently.
	Apply func(dst, src [][]byte)

	// Fence, where it is set, is called once after any number of calls of Apply by
	// one goroutine, and before others look at what they wrote: instructions that
	// write past the caches need that.
	Fence func()
}

// Units returns how many units a part with a transform has.
func (p *Part) Units() int64 { return p.From[0].Len / p.Transform.In[0] }

// UnitBytes returns the bytes that a unit takes of all inputs.
func (t *Transform) UnitBytes() int64 { return sum(t.In) }

// step returns the bytes from one unit of output i to the next.
func (p *Part) step(i int) int64 {
	if s := p.To[i].Step; s > 0 {
		return s
	}
	return p.Transform.Out[i]
}

// Covering returns the units, from first up to last, of which a byte falls into
// the view's bytes lo to hi, and maybe others between them; first = last when none
// does.
func (p *Part) Covering(lo, hi int64) (first, last int64) {
	units := p.Units()
	first, last = units, 0
	for i, r := range p.To {
		step, unit := p.step(i), p.Transform.Out[i]
		var from, to int64
		if before := lo - r.Off - unit; before >= 0 {
			from = before/step + 1
		}
		if before := hi - r.Off; before > 0 {
			to = min(units, (before+step-1)/step)
		}
		if from < to {
			first, last = min(first, from), max(last, to)
		}
	}
	return min(first, last), last
}

// Sub returns the units from first up to last of a part with a transform.
func (p *Part) Sub(first, last int64) Part {
	sub := Part{p.Transform, make([]Extent, len(p.From)), make([]Range, len(p.To))}
	for i, e := range p.From {
		unit := p.Transform.In[i]
		sub.From[i] = Extent{e.File, e.Off + first*unit, (last - first) * unit}
	}
	for i, r := range p.To {
		sub.To[i] = Range{r.Off + first*p.step(i), (last - first) * p.Transform.Out[i], r.Step}
	}
	return sub
}

// ApplyTo makes the outputs of a part of which src are the inputs. dst holds the
// bytes of the view from off on; what falls outside of it is left out.
func (p *Part) ApplyTo(dst []byte, off int64, src [][]byte) {
	t, units := p.Transform, p.Units()
	together := units // as many as lie one after the other in all outputs
	for _, r := range p.To {
		if r.Step > 0 {
			together = 1
		}
	}
	if t.Fence != nil {
		defer t.Fence()
	}
	outs, ins := make([][]byte, len(p.To)), make([][]byte, len(src))
	for u := int64(0); u < units; u += together {
		for i := range src {
			ins[i] = src[i][u*t.In[i] : (u+together)*t.In[i]]
		}
		whole := true
		for i := range outs {
			at, n := p.To[i].Off+u*p.step(i)-off, together*t.Out[i]
			if inside := at >= 0 && at+n <= int64(len(dst)); inside {
				outs[i] = dst[at : at+n : at+n]
			} else {
				outs[i], whole = make([]byte, n), false
			}
		}
		t.Apply(outs, ins)
		if whole {
			continue
		}
		for i, out := range outs {
			at := p.To[i].Off + u*p.step(i) - off
			from, to := max(0, at), min(int64(len(dst)), at+int64(len(out)))
			if from < to && (at < 0 || at+int64(len(out)) > int64(len(dst))) {
				copy(dst[from:to], out[from-at:])
			}
		}
	}
}

func sum(ns []int64) (total int64) {
	for _, n := range ns {
		total += n
	}
	return total
}
