package harmony

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// node is a JSON value whose objects keep the order of their members.
type node struct {
	kind  jsontext.Kind // of the value; '{' and '[' for objects and lists
	text  string        // of a string, or the JSON of another plain value
	names []string      // of an object
	list  []*node       // the values of an object, or of a list
}

// parseSchema reads a JSON value; nil if there is none.
func parseSchema(data []byte) *node {
	if len(data) == 0 {
		return nil
	}
	n, err := parseNode(jsontext.NewDecoder(bytes.NewReader(data), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)))
	if err != nil || n.kind == 'n' {
		return nil
	}
	return n
}

func parseNode(d *jsontext.Decoder) (*node, error) {
	token, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	n := &node{kind: token.Kind()}
	switch n.kind {
	case '{', '[':
	default:
		n.text = token.String()
		return n, nil
	}
	for d.PeekKind() != '}' && d.PeekKind() != ']' {
		if n.kind == '{' {
			name, err := d.ReadToken()
			if err != nil {
				return nil, err
			}
			n.names = append(n.names, name.String())
		}
		child, err := parseNode(d)
		if err != nil {
			return nil, err
		}
		n.list = append(n.list, child)
	}
	_, err = d.ReadToken()
	return n, err
}

// get returns the member of an object with that name, or nil.
func (n *node) get(name string) *node {
	if n == nil || n.kind != '{' {
		return nil
	}
	for i, have := range n.names {
		if have == name {
			return n.list[i]
		}
	}
	return nil
}

// string returns the text of a string, or nothing.
func (n *node) string() string {
	if n == nil || n.kind != '"' {
		return ""
	}
	return n.text
}

// items returns the values of a list.
func (n *node) items() []*node {
	if n == nil || n.kind != '[' {
		return nil
	}
	return n.list
}

// members returns the names of an object.
func (n *node) members() []string {
	if n == nil || n.kind != '{' {
		return nil
	}
	return n.names
}

func (n *node) has(text string) bool {
	for _, item := range n.items() {
		if item.string() == text {
			return true
		}
	}
	return false
}

// isObject tells whether a schema describes objects.
func (n *node) isObject() bool {
	t := n.get("type")
	return t.string() == "object" || t == nil && n.get("properties") != nil
}

// json writes n as JSON, without blanks.
func (n *node) json() string {
	switch n.kind {
	case '"':
		quoted, _ := jsontext.AppendQuote(nil, n.text)
		return string(quoted)
	case '{', '[':
		parts := make([]string, len(n.list))
		for i, item := range n.list {
			parts[i] = item.json()
			if n.kind == '{' {
				name, _ := jsontext.AppendQuote(nil, n.names[i])
				parts[i] = string(name) + ":" + parts[i]
			}
		}
		if n.kind == '{' {
			return "{" + strings.Join(parts, ",") + "}"
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	return n.text
}
