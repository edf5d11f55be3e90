package grammar

import "slices"

// overlap returns the numbers of two branches of oneOf under which one text
// might be valid, or twice the same number when there are none. It compares
// what the one writes with what the other allows.
func (c *schemaCompiler) overlap(branches []conjunction) (i, j int, err error) {
	facts := make([]*merged, len(branches))
	for i, b := range branches {
		facts[i] = b.facts()
	}
	for i, a := range branches {
		for j, b := range branches {
			if i == j {
				continue
			}
			apart, err := c.excludes(a, b, facts[i], facts[j], 0)
			if err != nil || !apart {
				return i, j, err
			}
		}
	}
	return 0, 0, nil
}

// excludes tells whether it is certain that no text written for a, with the
// facts m, is valid under b, with the facts n.
func (c *schemaCompiler) excludes(a, b conjunction, m, n *merged, depth int) (bool, error) {
	if m.hasEnum && n.hasEnum {
		return len(common(m.enum, n.enum)) == 0, nil
	}
	both := m.kinds & n.valid
	if m.hasEnum {
		both &= kindsOf(m.enum)
	}
	if n.hasEnum {
		both &= kindsOf(n.enum)
	}
	for k := kindNull; k != 0 && k <= kindObject; k <<= 1 {
		if both&k == 0 {
			continue
		}
		apart := false
		switch k {
		case kindInteger, kindFraction:
			apart = below(m.numbers.high, n.numbers.low) || below(n.numbers.high, m.numbers.low)
		case kindObject:
			var err error
			if apart, err = c.objectsApart(a, b, m, n, depth); err != nil {
				return false, err
			}
		}
		if !apart {
			return false, nil
		}
	}
	return true, nil
}

// facts is what a conjunction says whichever branches are chosen: less than
// what merge concludes when there are none.
func (con conjunction) facts() *merged {
	m := con.merge()
	open := con.says(func(s *schema) bool { return len(s.anyOf)+len(s.oneOf) > 0 })
	typed := con.says(func(s *schema) bool { return s.types != 0 })
	if open && !typed && !m.never {
		m.kinds = kindAny
	}
	m.extra = m.extra || open
	return m
}

func kindsOf(values []*value) (k kind) {
	for _, v := range values {
		k |= v.kind
		if v.kind == kindFraction {
			k |= kindInteger // 1.0 is an integer too
		}
	}
	return k
}

// below tells whether all that is at most high is less than all from low on.
func below(high, low *bound) bool {
	if high == nil || low == nil {
		return false
	}
	c := high.compare(low.decimal)
	return c < 0 || c == 0 && (high.open || low.open)
}

// objectsApart tells whether it is certain that an object written for a, with
// the facts m, is not valid under b, with the facts n.
func (c *schemaCompiler) objectsApart(a, b conjunction, m, n *merged, depth int) (bool, error) {
	for name := range n.required {
		// b needs a property that a does not write.
		if !m.extra && !slices.Contains(m.names, name) {
			return true, nil
		}
	}
	if depth > 3 {
		return false, nil
	}
	for _, name := range m.names {
		if !m.required[name] {
			continue
		}
		// a writes a property of which b allows no such value.
		mine, err := c.property(a, name, true)
		if err != nil {
			return false, err
		}
		theirs, err := c.property(b, name, true)
		if err != nil {
			return false, err
		}
		if len(theirs) == 0 {
			continue
		}
		if len(mine) == 0 {
			if theirs.merge().never {
				return true, nil
			}
			continue
		}
		if apart, err := c.excludes(mine, theirs, mine.facts(), theirs.facts(), depth+1); err != nil || apart {
			return apart, err
		}
	}
	return false, nil
}
