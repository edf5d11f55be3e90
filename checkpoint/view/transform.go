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
}

// Units returns how many units a part with a transform has.
func (p *Part) Units() int64 { return p.From[0].Len / p.Transform.In[0] }

// UnitBytes returns the bytes that a unit takes of all inputs.
func (t *Transform) UnitBytes() int64 { return sum(t.In) }

// Covering returns the units, from the first up to the last, of which a byte
// falls into the view's bytes lo to hi; first = last when none does.
func (p *Part) Covering(lo, hi int64) (first, last int64) {
	first, last = p.Units(), 0
	for i, r := range p.To {
		from, to := max(lo, r.Off)-r.Off, min(hi, r.Off+r.Len)-r.Off
		if from < to {
			unit := p.Transform.Out[i]
			first, last = min(first, from/unit), max(last, (to+unit-1)/unit)
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
		unit := p.Transform.Out[i]
		sub.To[i] = Range{r.Off + first*unit, (last - first) * unit}
	}
	return sub
}

// ApplyTo makes the outputs of a part of which src are the inputs. dst holds the
// bytes of the view from off on; what falls outside of it is left out.
func (p *Part) ApplyTo(dst []byte, off int64, src [][]byte) {
	outs := make([][]byte, len(p.To))
	for i, r := range p.To {
		if at := r.Off - off; at >= 0 && at+r.Len <= int64(len(dst)) {
			outs[i] = dst[at : at+r.Len : at+r.Len]
		} else {
			outs[i] = make([]byte, r.Len)
		}
	}
	p.Transform.Apply(outs, src)
	for i, r := range p.To {
		at := r.Off - off
		from, to := max(0, at), min(int64(len(dst)), at+r.Len)
		if from < to && (at < 0 || at+r.Len > int64(len(dst))) {
			copy(dst[from:to], outs[i][from-at:])
		}
	}
}

func sum(ns []int64) (total int64) {
	for _, n := range ns {
		total += n
	}
	return total
}
