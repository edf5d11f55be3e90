package prefix

// Course is what is going to be stored of a text that is being computed. It does not
// change, and may be read by several goroutines.
type Course struct {
	s    *Store
	ids  []int
	ends []int // of segments, after the position where it begins
}

// Course is that of a prompt of which from tokens are known.
func (s *Store) Course(prompt []int, from int) *Course {
	c := &Course{s: s, ids: prompt, ends: []int{from}}
	plan := newPlan(s.shape.Window, prompt, s.start)
	for at := from; at < len(prompt); {
		at = plan.next(at)
		c.ends = append(c.ends, at)
	}
	return c
}

// Meets tells up to which position, at most most, a text of ids can go on from what is
// stored of c from its beginning on, and how much of c must have been computed for that.
// Both are 0 where that is nowhere, or the store has no room for it.
func (c *Course) Meets(ids []int, most int) (reach, computed int) {
	common := Common(c.ids, ids[:most])
	shape := c.s.shape
	memory, bytes := shape.Memory(0, c.ends[0]), shape.Bytes(0, c.ends[0])
	for i, end := range c.ends[1:] {
		from := c.ends[i]
		memory, bytes = memory+shape.Memory(from, end), bytes+shape.Bytes(from, end)
		if memory > c.s.ram && (c.s.writer == nil || bytes > c.s.disk) {
			break
		}
		if at := shape.Reach(from, end, min(common, end)); at > max(reach, from) && at <= common {
			reach, computed = at, end
		}
	}
	return reach, computed
}
