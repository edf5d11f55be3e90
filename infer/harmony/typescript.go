package harmony

import (
	"slices"
	"strings"
)

// typescript renders JSON schemas in the dialect of TypeScript in which the
// models were shown tools. Keywords that the dialect lacks are left out.
type typescript struct {
	root *node // where references start
	left *int  // of longest
}

// deepest bounds how far types are written out: a schema may refer to itself.
const deepest = 16

// longest bounds the names that are read and the bytes that are written for the
// types of one schema, those within others again for each: references to the same
// few types could make a text of any length. No context holds as much.
const longest = 16 << 20

// typeOf renders one schema. Lines after the first begin with indent.
func (t typescript) typeOf(s *node, indent string, depth int) string {
	if depth > deepest || *t.left <= 0 {
		return "any"
	}
	*t.left -= len(s.members())
	text := t.write(s, indent, depth)
	*t.left -= len(text)
	return text
}

func (t typescript) write(s *node, indent string, depth int) string {
	if ref := s.get("$ref").string(); ref != "" {
		return t.typeOf(t.resolve(ref), indent, depth+1)
	}
	if variants := s.get("oneOf").items(); variants != nil {
		var b strings.Builder
		for _, v := range variants {
			b.WriteString("\n" + indent + " | " + t.nullable(v, indent+"   ", depth+1))
			trailing(&b, append(texts(v.get("description").string()), defaultOf(v)...))
		}
		return b.String()
	}
	for _, name := range []string{"anyOf", "allOf"} {
		if variants := s.get(name).items(); len(variants) > 0 {
			return t.union(variants, map[string]string{"anyOf": " | ", "allOf": " & "}[name], indent, depth)
		}
	}
	if c := s.get("const"); c != nil {
		return c.json()
	}
	if values := s.get("enum").items(); len(values) > 0 {
		return enumOf(values)
	}
	if types := s.get("type").items(); len(types) > 0 {
		return t.several(s, types, indent, depth)
	}
	switch kind := s.get("type").string(); {
	case s.isObject():
		return t.object(s, indent, depth)
	case kind == "array":
		items := s.get("items")
		if items == nil {
			return "Array<any>"
		}
		of := t.typeOf(items, indent, depth+1)
		if strings.Contains(of, " | ") && items.get("properties") == nil {
			of = "(" + of + ")"
		}
		return of + "[]"
	default:
		return plainType(kind)
	}
}

// several renders a list of types, as ["string", "null"].
func (t typescript) several(s *node, types []*node, indent string, depth int) string {
	var all []string
	one := *s
	one.list = slices.Clone(s.list)
	for _, kind := range types {
		one.list[slices.Index(s.names, "type")] = kind
		if name := kind.string(); name == "object" || name == "array" {
			all = append(all, t.typeOf(&one, indent, depth+1))
		} else {
			all = append(all, plainType(name))
		}
	}
	return strings.Join(all, " | ")
}

func (t typescript) union(variants []*node, between, indent string, depth int) string {
	var all []string
	for _, v := range variants {
		all = append(all, t.nullable(v, indent+"   ", depth+1))
	}
	return strings.Join(all, between)
}

func plainType(kind string) string {
	switch kind {
	case "string", "number", "boolean", "null":
		return kind
	case "integer":
		return "number"
	}
	return "any"
}

func enumOf(values []*node) string {
	var all []string
	for _, v := range values {
		if v.kind == '"' {
			all = append(all, `"`+v.text+`"`) // as it is, as the models saw it
		} else {
			all = append(all, v.json())
		}
	}
	return strings.Join(all, " | ")
}

// object renders the properties of an object, each with its comments.
func (t typescript) object(s *node, indent string, depth int) string {
	var b strings.Builder
	comment(&b, indent, s.get("description").string())
	b.WriteString("{\n")
	properties, required := s.get("properties"), make(map[string]bool)
	for _, name := range s.get("required").items() {
		required[name.string()] = true
	}
	for i, name := range properties.members() {
		mark := "?"
		if required[name] {
			mark = ""
		}
		t.property(&b, name+mark, properties.list[i], indent, depth)
	}
	b.WriteString(indent + "}")
	return b.String()
}

func (t typescript) property(b *strings.Builder, name string, s *node, indent string, depth int) {
	if title := s.get("title").string(); title != "" {
		comment(b, indent, title+"\n")
		b.WriteString(indent + "//\n")
	}
	description, variants := s.get("description").string(), s.get("oneOf").items()
	above := description != "" && (len(variants) == 0 || variants[0].get("description").string() != description)
	if above {
		comment(b, indent, description)
	}
	if examples := s.get("examples").items(); len(examples) > 0 {
		comment(b, indent, "Examples:")
		for _, e := range examples {
			comment(b, indent, "- "+e.json())
		}
	}
	if len(variants) == 0 {
		b.WriteString(indent + name + ": " + t.nullable(s, indent+"    ", depth+1) + ",")
		trailing(b, defaultOf(s))
		b.WriteString("\n")
		return
	}
	for _, d := range defaultOf(s) {
		comment(b, indent, d)
	}
	b.WriteString(indent + name + ":\n")
	for i, v := range variants {
		b.WriteString(indent + " | " + t.nullable(v, indent+"   ", depth+1))
		var said []string
		if own := v.get("description").string(); own != description && (i > 0 || !above) {
			said = texts(own)
		}
		trailing(b, append(said, defaultOf(v)...))
		b.WriteString("\n")
	}
	b.WriteString(indent + ",\n")
}

// nullable renders s, which may say by a keyword of OpenAPI that null is allowed.
func (t typescript) nullable(s *node, indent string, depth int) string {
	text := t.typeOf(s, indent, depth)
	if n := s.get("nullable"); n != nil && n.kind == 't' && !strings.Contains(text, "null") {
		text += " | null"
	}
	return text
}

// defaultOf says what a value is when it is left out.
func defaultOf(s *node) []string {
	d := s.get("default")
	switch {
	case d == nil:
		return nil
	case d.kind == '"' && len(s.get("enum").items()) > 0:
		return []string{"default: " + d.text}
	case d.kind == '"':
		return []string{`default: "` + d.text + `"`}
	}
	return []string{"default: " + d.json()}
}

func texts(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// trailing writes remarks behind a type.
func trailing(b *strings.Builder, remarks []string) {
	if len(remarks) > 0 {
		b.WriteString(" // " + strings.ReplaceAll(strings.Join(remarks, " "), "\n", " "))
	}
}

// resolve finds what a reference within the schema points to, or nil.
func (t typescript) resolve(ref string) *node {
	path, ok := strings.CutPrefix(ref, "#")
	if !ok {
		return nil
	}
	at := t.root
	for part := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if part != "" {
			at = at.get(strings.NewReplacer("~1", "/", "~0", "~").Replace(part))
		}
	}
	return at
}
