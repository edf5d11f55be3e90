package grammar

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// SchemaError says which part of a schema cannot be followed, and why.
type SchemaError struct {
	Path    string // a JSON pointer, such as #/properties/name
	Keyword string // "" where it is the schema as a whole
	Reason  string
}

func (e *SchemaError) Error() string {
	if e.Keyword == "" {
		return fmt.Sprintf("schema at %s: %s", e.Path, e.Reason)
	}
	return fmt.Sprintf("schema at %s: %s: %s", e.Path, e.Keyword, e.Reason)
}

// schema is one schema object as it is written. Absent keywords are nil, or
// negative for counts.
type schema struct {
	id    int
	path  string
	never bool // the schema false
	said  bool // there is a keyword besides $ref, allOf, anyOf and oneOf

	ref          *schema
	allOf        []*schema
	anyOf, oneOf []*schema

	types      kind // 0 without
	enum       []*value
	hasEnum    bool
	properties []property // nil without, else not
	byName     map[string]*schema
	required   []string
	additional *schema
	names      *schema // of properties
	items      *schema
	prefix     []*schema
	minItems   int
	maxItems   int
	minLength  int
	maxLength  int
	hasPattern bool
	patterns   []*machine // of pattern and format
	numbers    numbers
}

type property struct {
	name   string
	schema *schema
}

// schemaParser reads schemas of one document.
type schemaParser struct {
	root     *value
	done     map[*value]*schema
	pointers map[string]*value
	effort   *effort
	machines map[string]*machine // by pattern
}

func (p *schemaParser) fail(path, keyword, reason string, args ...any) error {
	return &SchemaError{path, keyword, fmt.Sprintf(reason, args...)}
}

// parse reads the schema v at path, once.
func (p *schemaParser) parse(v *value, path string) (*schema, error) {
	if s, ok := p.done[v]; ok {
		return s, nil
	}
	s := &schema{id: len(p.done), path: path, minItems: -1, maxItems: -1, minLength: -1, maxLength: -1}
	p.done[v] = s
	switch v.kind {
	case kindTrue:
		return s, nil
	case kindFalse:
		s.never, s.said = true, true
		return s, nil
	case kindObject:
	default:
		return nil, p.fail(path, "", "want an object or a boolean")
	}
	s.hasPattern = v.get("pattern") != nil
	for _, m := range v.members {
		if slices.Contains(ignored, m.name) || strings.HasPrefix(m.name, "x-") {
			continue
		}
		if err := p.keyword(s, m.name, m.value); err != nil {
			return nil, err
		}
		switch m.name {
		case "$ref", "allOf", "anyOf", "oneOf", "$defs", "definitions":
		default:
			s.said = true
		}
	}
	if s.hasEnum && len(s.enum) == 0 {
		s.never = true
	}
	return s, nil
}

func (p *schemaParser) keyword(s *schema, name string, v *value) (err error) {
	at := s.path + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
	switch name {
	case "type":
		return p.types(s, v)
	case "enum":
		if v.kind != kindArray {
			return p.fail(s.path, name, "want a list")
		}
		s.restrict(v.items)
	case "const":
		s.restrict([]*value{v})
	case "anyOf":
		s.anyOf, err = p.list(s, name, v)
	case "oneOf":
		s.oneOf, err = p.list(s, name, v)
	case "allOf":
		s.allOf, err = p.list(s, name, v)
	case "$ref":
		return p.reference(s, v)
	case "$defs", "definitions":
		_, err = p.named(s, name, v)
	case "properties":
		s.properties, err = p.named(s, name, v)
		s.byName = make(map[string]*schema, len(s.properties))
		for _, one := range s.properties {
			s.byName[one.name] = one.schema
		}
	case "required":
		if v.kind != kindArray {
			return p.fail(s.path, name, "want a list of names")
		}
		for _, item := range v.items {
			if item.kind != kindString {
				return p.fail(s.path, name, "want a list of names")
			}
			s.required = append(s.required, item.text)
		}
	case "additionalProperties":
		s.additional, err = p.parse(v, at)
	case "propertyNames":
		s.names, err = p.parse(v, at)
	case "items":
		if v.kind == kindArray {
			return p.fail(s.path, name, "a list of schemas is not supported; use prefixItems")
		}
		s.items, err = p.parse(v, at)
	case "prefixItems":
		s.prefix, err = p.list(s, name, v)
	case "minItems":
		s.minItems, err = p.count(s, name, v)
	case "maxItems":
		s.maxItems, err = p.count(s, name, v)
	case "minLength":
		s.minLength, err = p.count(s, name, v)
	case "maxLength":
		s.maxLength, err = p.count(s, name, v)
	case "pattern":
		return p.pattern(s, name, v, v.text)
	case "format":
		pattern, ok := formats[v.text]
		if v.kind != kindString {
			return p.fail(s.path, name, "want a string")
		}
		if !ok && !s.hasPattern {
			return p.fail(s.path, name, "%s is not supported without a pattern beside it", v)
		}
		if pattern != "" { // otherwise it says nothing that JSON could break
			return p.pattern(s, name, v, pattern)
		}
	case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf":
		return p.number(s, name, v)
	case "uniqueItems":
		if v.kind != kindFalse { // which asks for nothing
			return p.fail(s.path, name, "the keyword is not supported")
		}
	default:
		return p.fail(s.path, name, "the keyword is not supported")
	}
	return err
}

// typeNames are the names of type, and what they allow.
var typeNames = map[string]kind{
	"null": kindNull, "boolean": kindBoolean, "integer": kindInteger, "number": kindNumber,
	"string": kindString, "array": kindArray, "object": kindObject,
}

func (p *schemaParser) types(s *schema, v *value) error {
	names := v.items
	if v.kind == kindString {
		names = []*value{v}
	}
	if len(names) == 0 {
		return p.fail(s.path, "type", "want a name or a list of names")
	}
	for _, n := range names {
		k, ok := typeNames[n.text]
		if !ok || n.kind != kindString {
			return p.fail(s.path, "type", "there is no type %s", n)
		}
		s.types |= k
	}
	return nil
}

// restrict sets the values allowed; const and enum may stand side by side.
func (s *schema) restrict(values []*value) {
	if s.hasEnum {
		values = common(s.enum, values)
	}
	s.enum, s.hasEnum = values, true
}

// common returns the values of both lists.
func common(a, b []*value) []*value {
	in := make(map[string]bool, len(b))
	for _, v := range b {
		in[v.identity()] = true
	}
	var both []*value
	for _, v := range a {
		if in[v.identity()] {
			both = append(both, v)
		}
	}
	return both
}

func (p *schemaParser) list(s *schema, name string, v *value) ([]*schema, error) {
	if v.kind != kindArray || len(v.items) == 0 {
		return nil, p.fail(s.path, name, "want a list of schemas")
	}
	var list []*schema
	for i, item := range v.items {
		one, err := p.parse(item, fmt.Sprintf("%s/%s/%d", s.path, name, i))
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, nil
}

func (p *schemaParser) named(s *schema, name string, v *value) ([]property, error) {
	if v.kind != kindObject {
		return nil, p.fail(s.path, name, "want an object of schemas")
	}
	list := []property{}
	for _, m := range v.members {
		escape := strings.NewReplacer("~", "~0", "/", "~1").Replace(m.name)
		one, err := p.parse(m.value, s.path+"/"+name+"/"+escape)
		if err != nil {
			return nil, err
		}
		list = append(list, property{m.name, one})
	}
	return list, nil
}

func (p *schemaParser) count(s *schema, name string, v *value) (int, error) {
	d, err := parseDecimal(v.text)
	if v.kind&kindNumber == 0 || err != nil || d.negative || !d.isInteger() {
		return 0, p.fail(s.path, name, "want a whole number, 0 or more")
	}
	n, err := strconv.Atoi(d.whole)
	if err != nil || n > maxCount {
		return 0, p.fail(s.path, name, "%s is more than the %d supported", v, maxCount)
	}
	return n, nil
}

func (p *schemaParser) pattern(s *schema, name string, v *value, pattern string) error {
	if v.kind != kindString {
		return p.fail(s.path, name, "want a string")
	}
	m, ok := p.machines[pattern]
	if !ok {
		var err error
		if m, err = patternMachine(p.effort, pattern); err != nil {
			return p.fail(s.path, name, "%s: %v", v, err)
		}
		p.machines[pattern] = m
	}
	s.patterns = append(s.patterns, m)
	return nil
}

func (p *schemaParser) number(s *schema, name string, v *value) error {
	if v.kind&kindNumber == 0 {
		return p.fail(s.path, name, "want a number")
	}
	d, err := parseDecimal(v.text)
	if err != nil {
		return p.fail(s.path, name, "%v", err)
	}
	n := &s.numbers
	switch name {
	case "minimum":
		n.low = higher(n.low, &bound{d, false})
	case "exclusiveMinimum":
		n.low = higher(n.low, &bound{d, true})
	case "maximum":
		n.high = lower(n.high, &bound{d, false})
	case "exclusiveMaximum":
		n.high = lower(n.high, &bound{d, true})
	case "multipleOf":
		if d.compare(decimal{whole: "0"}) <= 0 {
			return p.fail(s.path, name, "want a number above 0")
		}
		n.multiple = &d
	}
	return nil
}

// higher returns the lower end that excludes more.
func higher(a, b *bound) *bound {
	if a == nil || b != nil && (b.compare(a.decimal) > 0 || b.compare(a.decimal) == 0 && b.open) {
		return b
	}
	return a
}

// lower returns the upper end that excludes more.
func lower(a, b *bound) *bound {
	if a == nil || b != nil && (b.compare(a.decimal) < 0 || b.compare(a.decimal) == 0 && b.open) {
		return b
	}
	return a
}

// reference reads a JSON pointer into the document.
func (p *schemaParser) reference(s *schema, v *value) error {
	fail := func(reason string) error { return p.fail(s.path, "$ref", "%s: %s", v, reason) }
	if v.kind != kindString {
		return fail("want a string")
	}
	pointer, ok := strings.CutPrefix(v.text, "#")
	if !ok || pointer != "" && pointer[0] != '/' {
		return fail("only references within the schema, such as #/$defs/NAME, are supported")
	}
	pointer, err := url.PathUnescape(pointer)
	if err != nil {
		return fail("not a JSON pointer")
	}
	at := p.find(pointer)
	if at == nil {
		return fail("there is nothing there")
	}
	s.ref, err = p.parse(at, "#"+pointer)
	return err
}

// find returns what a JSON pointer points to, or nil.
func (p *schemaParser) find(pointer string) *value {
	if pointer == "" {
		return p.root
	}
	if v, ok := p.pointers[pointer]; ok {
		return v
	}
	last := strings.LastIndexByte(pointer, '/')
	at := p.find(pointer[:last])
	if at == nil {
		return nil
	}
	name := strings.NewReplacer("~1", "/", "~0", "~").Replace(pointer[last+1:])
	var v *value
	if i, err := strconv.Atoi(name); at.kind == kindArray && err == nil && i >= 0 && i < len(at.items) {
		v = at.items[i]
	} else if at.kind == kindObject {
		v = at.get(name)
	}
	p.pointers[pointer] = v
	return v
}
