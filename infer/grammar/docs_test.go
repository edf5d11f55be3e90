package grammar

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDocumentedKeywords holds docs/structured-output.md to the tables of the
// package.
func TestDocumentedKeywords(t *testing.T) {
	doc, err := os.ReadFile("../../docs/structured-output.md")
	require.NoError(t, err)
	_, table, _ := strings.Cut(string(doc), "| keyword | constrains | how far |\n| --- | --- | --- |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	want := ""
	for _, k := range Keywords() {
		want += fmt.Sprintf("| `%s` | %s | %s |\n", k.Name, k.Of, strings.ReplaceAll(k.Note, "|", `\|`))
	}
	require.Equal(t, strings.TrimSuffix(want, "\n"), table)
	require.Contains(t, string(doc), "accepted: `"+strings.Join(IgnoredKeywords(), "`, `")+"`,")
	for _, limit := range []struct {
		name  string
		value int
	}{
		{"bytes of a schema or grammar", maxSource}, {"levels of a schema, parentheses of a grammar", maxNesting},
		{"bound of a counted repetition, a length or a number of items", maxCount}, {"states of the automaton", maxStates},
		{"rules, one for each schema object or rule of a grammar, and more", maxRules},
		{"levels of nesting in a text, about", maxDepth},
	} {
		require.Contains(t, string(doc), fmt.Sprintf("| %s | %d |", limit.name, limit.value))
	}
	require.Contains(t, string(doc), fmt.Sprintf("more than %d stay apart", maxFrames))
}

// TestEveryKeywordIsRead tries each keyword of the table, and that none outside
// of it is taken.
func TestEveryKeywordIsRead(t *testing.T) {
	values := map[string]string{
		"type": `"string"`, "enum": `[1]`, "const": `1`, "anyOf": `[{}]`, "oneOf": `[{}]`, "allOf": `[{}]`, "$ref": `"#/$defs/x"`,
		"$defs": `{"x":{}}`, "definitions": `{}`, "properties": `{}`, "required": `[]`, "additionalProperties": `true`, "propertyNames": `{}`, "items": `{}`,
		"prefixItems": `[{}]`, "minItems": `1`, "maxItems": `1`, "minLength": `1`, "maxLength": `1`, "pattern": `"a"`,
		"format": `"date"`, "minimum": `1`, "maximum": `1`, "exclusiveMinimum": `1`, "exclusiveMaximum": `1`, "multipleOf": `1`,
	}
	for _, k := range Keywords() {
		schema := fmt.Sprintf(`{"$defs":{"x":{}},%q:%s}`, k.Name, values[k.Name])
		if k.Name == "$defs" {
			schema = `{"$defs":{"x":{}}}`
		}
		_, err := JSONSchema([]byte(schema), Compact)
		require.NoError(t, err, k.Name)
		_, err = JSONSchema([]byte(fmt.Sprintf(`{"$defs":{"y":{%q:-0.5}}}`, k.Name)), Compact)
		if k.Name != "const" && !strings.HasPrefix(k.Of, "numbers") {
			require.ErrorContains(t, err, "#/$defs/y", "%s must be looked at", k.Name)
		}
	}
	for _, name := range IgnoredKeywords() {
		_, err := JSONSchema([]byte(fmt.Sprintf(`{%q:[1]}`, name)), Compact)
		require.NoError(t, err, name)
	}
	for _, name := range []string{"not", "if", "then", "else", "dependentSchemas", "patternProperties", "contains",
		"unevaluatedProperties", "minProperties", "maxProperties", "$dynamicRef", "$anchor", "nullable", "types"} {
		_, err := JSONSchema([]byte(fmt.Sprintf(`{%q:1}`, name)), Compact)
		require.ErrorContains(t, err, fmt.Sprintf("schema at #: %s: the keyword is not supported", name))
	}
}

// TestFormatsAreDocumented holds the note of format to the formats there are.
func TestFormatsAreDocumented(t *testing.T) {
	for _, k := range Keywords() {
		if k.Name != "format" {
			continue
		}
		list, _, _ := strings.Cut(k.Note, ";")
		for name, pattern := range formats {
			if pattern != "" {
				require.Contains(t, strings.Split(list, ", "), name)
			}
		}
		for _, name := range strings.Split(list, ", ") {
			require.NotEmpty(t, formats[name], name)
		}
	}
}
