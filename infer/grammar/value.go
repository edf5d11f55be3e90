package grammar

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
		names := make(map[string]bool)
		for d.More() {
			name := ""
			if v.kind == kindObject {
				token, err := d.Token()
				if err != nil {
					return nil, err
				}
				name = token.(string)
				if names[name] {
					return nil, fmt.Errorf("the name %q stands twice in one object", name)
				}
				names[name] = true
			}
			inner, err := readValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			if v.kind == kindObject {
				v.members = append(v.members, member{name, inner})
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
func (v *value) get(name string) *value {
	for _, m := range v.members {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

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

// equal tells whether v and w are the same value: members in any order, numbers
// by what they count.
func (v *value) equal(w *value) bool {
	if v.kind&kindNumber != 0 && w.kind&kindNumber != 0 {
		if v.text == w.text {
			return true
		}
		d, err1 := parseDecimal(v.text)
		e, err2 := parseDecimal(w.text)
		return err1 == nil && err2 == nil && d.compare(e) == 0
	}
	if v.kind != w.kind || v.text != w.text || len(v.items) != len(w.items) || len(v.members) != len(w.members) {
		return false
	}
	for i, item := range v.items {
		if !item.equal(w.items[i]) {
			return false
		}
	}
	for _, m := range v.members {
		if other := w.get(m.name); other == nil || !m.value.equal(other) {
			return false
		}
	}
	return true
}
