package harmony

import (
	"bytes"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// node is a JSON value whose objects keep the order of their members.
type node struct {
	kind  jsontext.Kind  // of the value; '{' and '[' for objects and lists
	text  string         // of a string, or the JSON of another plain value
	names []string       // of an object
	list  []*node        // the values of an object, or of a list
	index map[string]int // of names, where there are many; made when it is first needed
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
	if len(n.names) <= fewNames {
		if i := slices.Index(n.names, name); i >= 0 {
			return n.list[i]
		}
		return nil
	}
	if n.index == nil {
		n.index = make(map[string]int, len(n.names))
		for i, have := range n.names {
			if _, ok := n.index[have]; !ok {
				n.index[have] = i
			}
		}
	}
	if i, ok := n.index[name]; ok {
		return n.list[i]
	}
	return nil
}

// fewNames are looked through faster than an index is made.
const fewNames = 32

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

// isObject tells whether a schema describes objects.
func (n *node) isObject() bool {
	t := n.get("type")
	return t.string() == "object" || t == nil && n.get("properties") != nil
}

// json writes n as JSON, without blanks.
func (n *node) json() string { return string(n.appendJSON(nil)) }

// appendJSON appends to one text: lists within each other may be thousands deep.
func (n *node) appendJSON(text []byte) []byte {
	switch n.kind {
	case '"':
		text, _ = jsontext.AppendQuote(text, n.text)
		return text
	case '{', '[':
		text = append(text, byte(n.kind))
		for i, item := range n.list {
			if i > 0 {
				text = append(text, ',')
			}
			if n.kind == '{' {
				text, _ = jsontext.AppendQuote(text, n.names[i])
				text = append(text, ':')
			}
			text = item.appendJSON(text)
		}
		return append(text, byte(n.kind)+2) // the bracket that closes it
	}
	return append(text, n.text...)
}
