package grammar

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// value is a JSON value that keeps the order of members and the digits of
// numbers as they were written.
type value struct {
	kind    kind
	text    string // of a string its content, of a number its digits
	items   []*value
	members []member
	byName  map[string]*value // the members
}

type member struct {
	name  string
	value *value
}

// kind is what a JSON value is, as a set so that schemas can name several.
type kind uint8

const (
	kindNull kind = 1 << iota
	kindFalse
	kindTrue
	kindInteger  // a number written without a point and exponent
	kindFraction // any other number
	kindString
	kindArray
	kindObject

	kindBoolean = kindFalse | kindTrue
	kindNumber  = kindInteger | kindFraction
	kindAny     = kindNull | kindBoolean | kindNumber | kindString | kindArray | kindObject
)

// parseValue reads one JSON value.
func parseValue(data []byte) (*value, error) {
	if len(data) > maxSource {
		return nil, sizeError("bytes", maxSource)
	}
	if !utf8.Valid(data) {
		return nil, errors.New("not valid UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	v, err := readValue(d, 0)
	if err == io.EOF {
		return nil, errors.New("there is no JSON value")
	}
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("there is something behind the JSON value")
	}
	return v, nil
}

func readValue(d *json.Decoder, depth int) (*value, error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("nested deeper than %d levels", maxNesting)
	}
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case nil:
		return &value{kind: kindNull}, nil
	case bool:
		if t {
			return &value{kind: kindTrue}, nil
		}
		return &value{kind: kindFalse}, nil
	case string:
		return &value{kind: kindString, text: t}, nil
	case json.Number:
		if strings.ContainsAny(string(t), ".eE") {
			return &value{kind: kindFraction, text: string(t)}, nil
		}
		return &value{kind: kindInteger, text: string(t)}, nil
	case json.Delim:
		v := &value{kind: kindArray}
		if t == '{' {
			v.kind = kindObject
		}
		if v.kind == kindObject {
			v.byName = make(map[string]*value)
		}
		for d.More() {
			name := ""
			if v.kind == kindObject {
				token, err := d.Token()
				if err != nil {
					return nil, err
				}
				name = token.(string)
				if v.byName[name] != nil {
					return nil, fmt.Errorf("the name %q stands twice in one object", name)
				}
			}
			inner, err := readValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			if v.kind == kindObject {
				v.members = append(v.members, member{name, inner})
				v.byName[name] = inner
			} else {
				v.items = append(v.items, inner)
			}
		}
		_, err := d.Token()
		return v, err
	}
	return nil, fmt.Errorf("unexpected %v", token)
}

// get returns the member of that name, or nil.
func (v *value) get(name string) *value { return v.byName[name] }

// append writes v in its one compact spelling; see machine.quoted for strings.
func (v *value) append(b []byte) []byte {
	switch v.kind {
	case kindNull:
		return append(b, "null"...)
	case kindFalse:
		return append(b, "false"...)
	case kindTrue:
		return append(b, "true"...)
	case kindString:
		return appendString(b, v.text)
	case kindArray:
		b = append(b, '[')
		for i, item := range v.items {
			if i > 0 {
				b = append(b, ',')
			}
			b = item.append(b)
		}
		return append(b, ']')
	case kindObject:
		b = append(b, '{')
		for i, m := range v.members {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, m.name), ':')
			b = m.value.append(b)
		}
		return append(b, '}')
	}
	return append(b, v.text...)
}

func appendString(b []byte, text string) []byte {
	b = append(b, '"')
	for _, r := range text {
		if r < 0x20 || r == '"' || r == '\\' {
			b = append(b, escaped(r)...)
		} else {
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}

func (v *value) String() string { return string(v.append(nil)) }

// identity is a text that is the same for equal values: with members in one
// order, and numbers by what they count.
func (v *value) identity() string {
	return string(v.sorted().append(nil))
}

func (v *value) sorted() *value {
	w := *v
	if d, err := parseDecimal(v.text); v.kind&kindNumber != 0 && err == nil {
		w.text = fmt.Sprint(d)
	}
	w.items = nil
	for _, item := range v.items {
		w.items = append(w.items, item.sorted())
	}
	w.members = nil
	for _, m := range v.members {
		w.members = append(w.members, member{m.name, m.value.sorted()})
	}
	slices.SortFunc(w.members, func(a, b member) int { return strings.Compare(a.name, b.name) })
	return &w
}
