package grammar

import (
	"encoding/binary"
	"slices"
)

// element is a schema of a conjunction, with or without its choices.
type element struct {
	schema  *schema
	sansAny bool // a branch of anyOf was chosen already
	sansOne bool // the same for oneOf
}

// says tells whether the element constrains a value by itself.
func (e element) says() bool {
	return e.schema.said || len(e.schema.anyOf) > 0 && !e.sansAny || len(e.schema.oneOf) > 0 && !e.sansOne
}

// conjunction is schemas that hold together, $ref and allOf followed: all that
// a value must fulfil. It is ordered as written.
type conjunction []element

// key identifies a conjunction, whatever its order.
func (con conjunction) key() string {
	ids := make([]int, len(con))
	for i, e := range con {
		ids[i] = e.schema.id * 4
		if e.sansAny {
			ids[i]++
		}
		if e.sansOne {
			ids[i] += 2
		}
	}
	slices.Sort(ids)
	var key []byte
	for _, id := range ids {
		key = binary.AppendUvarint(key, uint64(id))
	}
	return string(key)
}

// flatten follows $ref and allOf, and leaves out schemas that say nothing.
func (c *schemaCompiler) flatten(elements ...element) (conjunction, error) {
	var flat conjunction
	index := make(map[*schema]int)
	open := make(map[*schema]bool) // whose $ref and allOf are being followed
	var add func(e element) error
	add = func(e element) error {
		if c.work++; c.work > maxSchemaWork {
			return sizeError("schemas in allOf, anyOf and $ref", maxSchemaWork)
		}
		s := e.schema
		if open[s] {
			return c.endless(s)
		}
		open[s] = true
		defer delete(open, s)
		if e.says() {
			if i, ok := index[s]; !ok {
				index[s] = len(flat)
				flat = append(flat, e)
			} else if flat[i] != e {
				return c.endless(s)
			}
		}
		if s.ref != nil {
			if err := add(element{schema: s.ref}); err != nil {
				return err
			}
		}
		for _, part := range s.allOf {
			if err := add(element{schema: part}); err != nil {
				return err
			}
		}
		return nil
	}
	for _, e := range elements {
		if err := add(e); err != nil {
			return nil, err
		}
	}
	return flat, nil
}

func (c *schemaCompiler) endless(s *schema) error {
	return &SchemaError{s.path, "", "it refers to itself before any property or item"}
}

// choose returns the first choice of a conjunction that is still open: the
// conjunctions of its branches, and whether they exclude one another.
func (c *schemaCompiler) choose(con conjunction) (branches []conjunction, keyword string, from *schema, err error) {
	for i, e := range con {
		s, chosen := e.schema, e
		var list []*schema
		switch {
		case len(s.anyOf) > 0 && !e.sansAny:
			chosen.sansAny, list, keyword = true, s.anyOf, "anyOf"
		case len(s.oneOf) > 0 && !e.sansOne:
			chosen.sansOne, list, keyword = true, s.oneOf, "oneOf"
		default:
			continue
		}
		rest := slices.Concat(con[:i], con[i+1:])
		for _, branch := range list {
			parts := append(slices.Clone(rest), chosen)
			// What the schema refers to was followed when it was flattened.
			flat, err := c.extend(parts, branch)
			if err != nil {
				return nil, "", nil, err
			}
			branches = append(branches, flat)
		}
		return branches, keyword, s, nil
	}
	return nil, "", nil, nil
}

// extend adds a branch to a flat conjunction.
func (c *schemaCompiler) extend(con conjunction, branch *schema) (conjunction, error) {
	flat, err := c.flatten(element{schema: branch})
	if err != nil {
		return nil, err
	}
	if c.work += len(con); c.work > maxSchemaWork {
		return nil, sizeError("schemas in allOf, anyOf and $ref", maxSchemaWork)
	}
	var all conjunction
	for _, e := range con {
		if e.says() {
			all = append(all, e)
		}
	}
	for _, e := range flat {
		i := slices.IndexFunc(all, func(f element) bool { return f.schema == e.schema })
		if i < 0 {
			all = append(all, e)
		} else if all[i] != e {
			return nil, c.endless(e.schema)
		}
	}
	return all, nil
}

// merged is a conjunction without choices as one schema.
type merged struct {
	never     bool
	kinds     kind // that are written
	valid     kind // that are valid: without a type, more than are written
	enum      []*value
	hasEnum   bool
	required  map[string]bool
	names     []string // of properties, as written
	extra     bool     // properties that are not listed are written too
	minItems  int
	maxItems  int // negative without
	prefix    int // items listed one by one
	more      bool
	minLength int
	maxLength int // negative without
	patterns  []*machine
	numbers   numbers
	multiples []decimal
}

// merge joins what the schemas of a conjunction say.
func (con conjunction) merge() *merged {
	m := &merged{kinds: kindAny, maxItems: -1, maxLength: -1, required: make(map[string]bool)}
	said, hints := false, kind(0)
	additional, items, closed := false, false, false
	known := make(map[string]bool)
	name := func(text string) {
		closed = true
		if !known[text] {
			known[text] = true
			m.names = append(m.names, text)
		}
	}
	for _, e := range con {
		s := e.schema
		m.never = m.never || s.never
		if s.types != 0 {
			m.kinds &= s.types
			said = true
		}
		if s.hasEnum {
			if m.hasEnum {
				m.enum = common(m.enum, s.enum)
			} else {
				m.enum, m.hasEnum = s.enum, true
			}
		}
		if s.properties != nil || s.required != nil || s.additional != nil || s.names != nil {
			hints |= kindObject
		}
		closed = closed || s.properties != nil
		for _, p := range s.properties {
			name(p.name)
		}
		additional = additional || s.additional != nil
		if s.items != nil || s.prefix != nil || s.minItems >= 0 || s.maxItems >= 0 {
			hints |= kindArray
		}
		items = items || s.items != nil
		m.prefix = max(m.prefix, len(s.prefix))
		m.minItems, m.maxItems = max(m.minItems, s.minItems), least(m.maxItems, s.maxItems)
		if s.minLength >= 0 || s.maxLength >= 0 || s.patterns != nil {
			hints |= kindString
		}
		m.minLength, m.maxLength = max(m.minLength, s.minLength), least(m.maxLength, s.maxLength)
		m.patterns = append(m.patterns, s.patterns...)
		n := s.numbers
		if !n.free() {
			hints |= kindNumber
		}
		m.numbers.low, m.numbers.high = higher(m.numbers.low, n.low), lower(m.numbers.high, n.high)
		if n.multiple != nil && !slices.Contains(m.multiples, *n.multiple) {
			m.multiples = append(m.multiples, *n.multiple)
		}
	}
	for _, e := range con {
		for _, text := range e.schema.required {
			name(text)
			m.required[text] = true
		}
	}
	m.valid = m.kinds
	if !said && !m.hasEnum && hints != 0 {
		m.kinds &= hints
	}
	if m.numbers.integer = m.kinds&kindNumber == kindInteger; len(m.multiples) > 0 {
		m.numbers.multiple = &m.multiples[0]
	}
	// An object or array of which nothing is said may hold anything.
	m.extra = additional || !closed
	m.more = items || m.prefix == 0 || m.minItems > m.prefix
	if sparse := slices.ContainsFunc(con, func(e element) bool { return e.schema.minItems >= 0 }); !sparse {
		m.minItems = m.prefix
		if m.maxItems >= 0 {
			m.minItems = min(m.minItems, m.maxItems)
		}
	}
	if m.never {
		m.kinds, m.valid = 0, 0
	}
	return m
}

// least returns the smaller of two counts of which a negative one is none.
func least(a, b int) int {
	if a < 0 || b >= 0 && b < a {
		return b
	}
	return a
}

// property returns what the conjunction says of the property of that name: of
// one that is not listed when listed is false.
func (c *schemaCompiler) property(con conjunction, name string, listed bool) (conjunction, error) {
	var parts []element
	for _, e := range con {
		s := e.schema
		if one := s.byName[name]; listed && one != nil {
			parts = append(parts, element{schema: one})
		} else if s.additional != nil {
			parts = append(parts, element{schema: s.additional})
		}
	}
	return c.flatten(parts...)
}

// item returns what the conjunction says of item i.
func (c *schemaCompiler) item(con conjunction, i int) (conjunction, error) {
	var parts []element
	for _, e := range con {
		if s := e.schema; i < len(s.prefix) {
			parts = append(parts, element{schema: s.prefix[i]})
		} else if s.items != nil {
			parts = append(parts, element{schema: s.items})
		}
	}
	return c.flatten(parts...)
}
