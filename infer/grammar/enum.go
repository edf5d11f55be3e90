package grammar

import (
	"slices"
	"unicode/utf8"
)

// enum is the values of an enumeration that fit what else is said.
func (c *schemaCompiler) enum(con conjunction, m *merged) (expr, error) {
	choices := alt{}
	for _, v := range m.enum {
		fits, err := con.fits(m, v)
		if err != nil {
			return nil, err
		}
		if fits {
			choices = append(choices, c.literal(v))
		}
	}
	return choices, nil
}

// literal is a value as it is, with white space where it may be.
func (c *schemaCompiler) literal(v *value) expr {
	if c.white == Compact || v.kind&(kindArray|kindObject) == 0 || len(v.items)+len(v.members) == 0 {
		return lit(v.append(nil))
	}
	parts := seq{}
	for i, item := range v.items {
		if i > 0 {
			parts = append(parts, c.comma())
		}
		parts = append(parts, c.literal(item))
	}
	for i, m := range v.members {
		if i > 0 {
			parts = append(parts, c.comma())
		}
		parts = append(parts, lit(appendString(nil, m.name)), c.colon(), c.literal(m.value))
	}
	left, right := lit("["), lit("]")
	if v.kind == kindObject {
		left, right = "{", "}"
	}
	return seq{left, c.space(), parts, c.space(), right}
}

// fits tells whether a value of an enumeration fulfils the rest of m.
func (con conjunction) fits(m *merged, v *value) (bool, error) {
	k := v.kind
	if k == kindFraction {
		if d, err := parseDecimal(v.text); err == nil && d.isInteger() {
			k = kindInteger // 1.0 is an integer
		}
	}
	if m.kinds&k == 0 {
		return false, nil
	}
	switch {
	case k == kindString:
		n := utf8.RuneCountInString(v.text)
		if n < m.minLength || m.maxLength >= 0 && n > m.maxLength {
			return false, nil
		}
		for _, p := range m.patterns {
			if !p.matches(v.text) {
				return false, nil
			}
		}
	case k&kindNumber != 0:
		d, err := parseDecimal(v.text)
		if err != nil {
			return false, con.fail("enum", "%v", err)
		}
		low, high := m.numbers.low, m.numbers.high
		if low != nil && (d.compare(low.decimal) < 0 || d.compare(low.decimal) == 0 && low.open) ||
			high != nil && (d.compare(high.decimal) > 0 || d.compare(high.decimal) == 0 && high.open) {
			return false, nil
		}
		if len(m.multiples) > 0 {
			return false, con.fail("enum", "numbers together with multipleOf are not supported")
		}
	case k == kindObject && con.says(func(s *schema) bool { return s.properties != nil || s.required != nil || s.additional != nil }),
		k == kindArray && con.says(func(s *schema) bool { return s.items != nil || s.prefix != nil || s.minItems >= 0 || s.maxItems >= 0 }):
		return false, con.fail("enum", "objects and arrays together with keywords for their kind are not supported")
	}
	return true, nil
}

// says tells whether one of the schemas is so.
func (con conjunction) says(is func(*schema) bool) bool {
	return slices.ContainsFunc(con, func(e element) bool { return is(e.schema) })
}

// matches runs the machine over a text.
func (m *machine) matches(text string) bool {
	at := map[int]bool{0: true}
	for _, r := range text {
		next := make(map[int]bool)
		for s := range at {
			for _, e := range m.states[s].edges {
				if e.on.has(r) {
					next[e.to] = true
				}
			}
		}
		at = next
	}
	for s := range at {
		if m.states[s].accept {
			return true
		}
	}
	return false
}
