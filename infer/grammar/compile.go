package grammar

import (
	"errors"
	"fmt"
)

// maxSchemaWork bounds how many schemas are followed in all.
const maxSchemaWork = 1 << 20

// JSONSchema returns the grammar of the JSON texts that a schema allows, in one
// spelling: properties in the order of the schema, and white space as said.
// Every text is valid under the schema. A *SchemaError says what of the schema
// is not supported or cannot be; Keywords lists what is.
func JSONSchema(data []byte, white Whitespace) (*Grammar, error) {
	root, err := parseValue(data)
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	p := &schemaParser{
		root: root, done: make(map[*value]*schema), pointers: make(map[string]*value),
		effort: newEffort(), machines: make(map[string]*machine),
	}
	s, err := p.parse(root, "#")
	if err != nil {
		return nil, err
	}
	c := &schemaCompiler{jsonRules: newJSONRules(white), known: make(map[string]ref), effort: p.effort}
	con, err := c.flatten(element{schema: s})
	if err == nil {
		_, err = c.rule(con, s)
	}
	if err != nil {
		return nil, err
	}
	g, err := compile(c.rules)
	var recursion *recursionError
	if errors.As(err, &recursion) {
		return nil, &SchemaError{recursion.path[0], "", "it refers to itself before any property or item"}
	}
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	if g.empty() {
		return nil, &SchemaError{"#", "", "no finite value is valid under it"}
	}
	return g, nil
}

// schemaCompiler turns conjunctions of schemas into rules.
type schemaCompiler struct {
	*jsonRules
	known  map[string]ref // by key of the conjunction
	work   int
	effort *effort
}

// rule returns the rule of a conjunction, which stands at s.
func (c *schemaCompiler) rule(con conjunction, s *schema) (ref, error) {
	key := con.key()
	if rule, ok := c.known[key]; ok {
		return rule, nil
	}
	if len(c.bodies) >= maxRules {
		return 0, sizeError("rules", maxRules)
	}
	path := "#"
	if s != nil {
		path = s.path
	} else if len(con) > 0 {
		path = con[0].schema.path
	}
	rule := c.declare(path)
	c.known[key] = rule
	body, err := c.body(con)
	c.define(rule, body)
	return rule, err
}

func (c *schemaCompiler) body(con conjunction) (expr, error) {
	branches, keyword, from, err := c.choose(con)
	if err != nil {
		return nil, err
	}
	if branches == nil {
		return c.leaf(con)
	}
	if keyword == "oneOf" {
		if i, j, err := c.overlap(branches); err != nil {
			return nil, err
		} else if i != j {
			return nil, &SchemaError{from.path, keyword, fmt.Sprintf("a value might be valid under both branch %d and branch %d; use anyOf if it may", i, j)}
		}
	}
	choices := alt{}
	for _, b := range branches {
		rule, err := c.rule(b, nil)
		if err != nil {
			return nil, err
		}
		choices = append(choices, rule)
	}
	return choices, nil
}

// leaf is a conjunction without choices.
func (c *schemaCompiler) leaf(con conjunction) (expr, error) {
	if len(con) == 0 {
		return c.anyValue(), nil
	}
	m := con.merge()
	if m.hasEnum {
		return c.enum(con, m)
	}
	choices := alt{}
	for _, k := range []struct {
		kind kind
		body func(conjunction, *merged) (expr, error)
	}{
		{kindObject, c.object}, {kindArray, c.array}, {kindString, c.string}, {kindNumber, c.number},
	} {
		if m.kinds&k.kind == 0 {
			continue
		}
		body, err := k.body(con, m)
		if err != nil {
			return nil, err
		}
		choices = append(choices, body)
	}
	for _, w := range []struct {
		kind kind
		text lit
	}{{kindTrue, "true"}, {kindFalse, "false"}, {kindNull, "null"}} {
		if m.kinds&w.kind != 0 {
			choices = append(choices, w.text)
		}
	}
	return choices, nil
}

// fail says that a keyword cannot be followed in a conjunction.
func (con conjunction) fail(keyword, reason string, args ...any) error {
	return &SchemaError{con[0].schema.path, keyword, fmt.Sprintf(reason, args...)}
}

func (c *schemaCompiler) array(con conjunction, m *merged) (expr, error) {
	if m.maxItems >= 0 && m.minItems > m.maxItems {
		return impossible, nil
	}
	end := m.prefix + 1
	g := &graph{nodes: end + 1}
	atEnd := func(node int) {
		if node == 0 {
			g.edge(node, end)
		} else {
			g.edge(node, end, c.space())
		}
	}
	for i := range m.prefix {
		if i >= m.minItems {
			atEnd(i)
		}
		if m.maxItems >= 0 && i >= m.maxItems {
			break
		}
		rule, err := c.itemRule(con, i)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			g.edge(i, i+1, rule)
		} else {
			g.edge(i, i+1, c.comma(), rule)
		}
	}
	if m.prefix >= m.minItems {
		atEnd(m.prefix)
	}
	if m.more && (m.maxItems < 0 || m.maxItems > m.prefix) {
		rule, err := c.itemRule(con, m.prefix)
		if err != nil {
			return nil, err
		}
		left, most := max(m.minItems-m.prefix, 0), -1
		if m.maxItems >= 0 {
			most = m.maxItems - m.prefix
		}
		following := seq{c.comma(), rule}
		if m.prefix == 0 {
			g.edge(0, end, rule, repeat{following, max(left-1, 0), max(most-1, -1)}, c.space())
		} else {
			g.edge(m.prefix, end, repeat{following, max(left, 1), most}, c.space())
		}
	}
	return seq{lit("["), c.space(), g, lit("]")}, nil
}

func (c *schemaCompiler) itemRule(con conjunction, i int) (ref, error) {
	item, err := c.item(con, i)
	if err != nil {
		return 0, err
	}
	return c.rule(item, nil)
}

func (c *schemaCompiler) string(con conjunction, m *merged) (expr, error) {
	switch {
	case m.maxLength >= 0 && m.minLength > m.maxLength:
		return impossible, nil
	case m.freeString():
		return c.anyString(), nil
	case len(m.patterns) == 0:
		return seq{lit(`"`), repeat{c.char(), m.minLength, m.maxLength}, lit(`"`)}, nil
	}
	all, err := m.stringMachine(c.effort)
	if err != nil {
		return nil, con.fail("pattern", "together with others or a length: %v", err)
	}
	return seq{lit(`"`), all.quoted(c.jsonRules), lit(`"`)}, nil
}

// freeString tells whether any string will do.
func (m *merged) freeString() bool {
	return m.minLength <= 0 && m.maxLength < 0 && len(m.patterns) == 0
}

// stringMachine returns the machine of the strings that m allows.
func (m *merged) stringMachine(w *effort) (*machine, error) {
	all, err := lengths(w, m.minLength, m.maxLength)
	for i, p := range m.patterns {
		if err != nil {
			return nil, err
		}
		if i == 0 && m.minLength <= 0 && m.maxLength < 0 {
			all = p
		} else {
			all, err = all.intersect(w, p)
		}
	}
	return all, err
}

func (c *schemaCompiler) number(con conjunction, m *merged) (expr, error) {
	if len(m.multiples) > 1 {
		return nil, con.fail("multipleOf", "two at once are not supported")
	}
	if m.numbers.free() {
		if m.numbers.integer {
			return c.once("integer", func() expr { return jsonInteger }), nil
		}
		return c.anyNumber(), nil
	}
	all, err := m.numbers.machine(c.effort)
	if err != nil {
		return nil, con.fail("multipleOf", "%v", err)
	}
	return all.plain(c.jsonRules), nil
}
