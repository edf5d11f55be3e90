package grammar

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// follow tells whether text is in the language of g.
func follow(t testing.TB, g *Grammar, text string) bool {
	a := NewAutomaton(g, smallVocabulary(t))
	s, n := a.AdvanceBytes(a.Start(), text)
	return n == len(text) && a.Accepts(s)
}

var schemaCases = []struct {
	name, schema string
	yes, no      []string
}{
	{"types", `{"type":["integer","null"]}`, []string{`0`, `-12`, `null`}, []string{`1.0`, `"a"`, `-0x`, `01`, `true`}},
	{"anything", `{}`, []string{`{}`, `[1,"a",{"b":null}]`, `true`}, []string{``, `[1, 2]`}},
	{"order", `{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"},"c":{"type":"integer"}},"required":["b"]}`,
		[]string{`{"b":1}`, `{"a":1,"b":2}`, `{"b":2,"c":3}`, `{"a":1,"b":2,"c":3}`},
		[]string{`{}`, `{"a":1}`, `{"b":1,"a":2}`, `{"b":1,"d":2}`, `{"b":1,}`, `{,"b":1}`, `{"a":1"b":2}`}},
	{"all optional", `{"properties":{"a":{},"b":{}}}`, []string{`{}`, `{"a":1}`, `{"b":[]}`, `{"a":{},"b":2}`}, []string{`{"b":1,"a":1}`, `1`}},
	{"more properties", `{"properties":{"a":{"type":"null"},"ab":{"type":"null"}},"additionalProperties":{"type":"boolean"}}`,
		[]string{`{}`, `{"a":null,"b":true}`, `{"abc":true,"":false}`, `{"ab":null,"x":true,"y\n":false}`},
		[]string{`{"a":true}`, `{"b":true,"a":null}`, `{"b":null}`, `{"b":true,"ab":true}`, `{"\u0061":true}`}},
	{"required only", `{"type":"object","required":["x"]}`, []string{`{"x":1}`}, []string{`{}`, `{"y":1}`}},
	{"closed", `{"type":"object","additionalProperties":false}`, []string{`{}`}, []string{`{"a":1}`}},
	{"closed by an empty list", `{"type":"object","properties":{}}`, []string{`{}`}, []string{`{"a":1}`}},
	{"letters", `{"pattern":"^\\p{L}{2,3}$"}`, []string{`"aé"`, `"中文字"`}, []string{`"a"`, `"a1"`, `"abcd"`}},
	{"equal numbers", `{"allOf":[{"enum":[1,2,{"a":1,"b":2.50}]},{"enum":[1.0,{"b":2.5,"a":1}]}]}`, []string{`1`, `{"a":1,"b":2.50}`}, []string{`2`, `1.0`}},
	{"impossible optional", `{"properties":{"a":false,"b":{"type":"null"}}}`, []string{`{}`, `{"b":null}`}, []string{`{"a":1}`}},
	{"enum", `{"enum":["a","b\"\n",1,null,{"x":[1,2]}]}`, []string{`"a"`, `"b\"\n"`, `1`, `null`, `{"x":[1,2]}`}, []string{`"b"`, `2`, `{}`}},
	{"enum of a type", `{"type":"string","enum":["a",1,"bb"],"maxLength":1}`, []string{`"a"`}, []string{`1`, `"bb"`}},
	{"const", `{"const":{"a":1.50}}`, []string{`{"a":1.50}`}, []string{`{"a":1.5}`}},
	{"lengths", `{"type":"string","minLength":2,"maxLength":3}`,
		[]string{`"ab"`, `"äöü"`, `"\n😀"`, `"\ud83d\ude00a"`}, []string{`""`, `"a"`, `"abcd"`, `"\ud83d\ude00"`}},
	{"pattern", `{"type":"string","pattern":"^[a-c]+\\d$"}`, []string{`"a1"`, `"abc0"`}, []string{`"1"`, `"a"`, `"a11"`, `"xa1"`}},
	{"pattern inside", `{"pattern":"b+c"}`, []string{`"bc"`, `"xbbcx"`, `"\"bc\\"`}, []string{`"b"`, `""`}},
	{"pattern and length", `{"pattern":"^a|b$","minLength":2,"maxLength":3}`, []string{`"ax"`, `"xb"`, `"xxb"`}, []string{`"a"`, `"xx"`, `"axxx"`}},
	{"pattern of escapes", `{"pattern":"^[\\u0000-\\u001f\"\\\\/]$"}`, []string{`"\n"`, `"\u0000"`, `"\""`, `"\\"`, `"/"`, `"\u001f"`}, []string{`"a"`, `"\u000a"`}},
	{"lookahead", `{"pattern":"^(?=.*[A-Z])(?=.*\\d)(?!admin)[^ ]{4,8}$"}`, []string{`"aaB1"`, `"1xxxxxXé"`, `"Admin1"`}, []string{`"aaaa"`, `"AAAA"`, `"admin1A"`, `"A1"`, `"A1 aa"`}},
	{"decimal as text", `{"pattern":"^(?!^[-+.]*$)[+-]?0*\\d*\\.?\\d*$"}`, []string{`"1"`, `"-.5"`, `"007.25"`}, []string{`"-."`, `""`, `"."`, `"1a"`}},
	{"mail with lookahead", `{"format":"email","pattern":"^(?!\\.)(?!.*\\.\\.)([A-Za-z0-9_'+\\-\\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\\-]*\\.)+[A-Za-z]{2,}$"}`,
		[]string{`"a.b@example.org"`}, []string{`".a@example.org"`, `"a..b@example.org"`, `"a@example"`}},
	{"format beside a pattern", `{"format":"nanoid","pattern":"^[a-z]{3}$"}`, []string{`"abc"`}, []string{`"ab"`}},
	{"names by pattern", `{"type":"object","properties":{"x1":{"type":"null"},"y":{"type":"null"}},"propertyNames":{"pattern":"^x","maxLength":3},"additionalProperties":{"type":"integer"}}`,
		[]string{`{}`, `{"x1":null,"x2":1}`, `{"xyz":5,"x":1}`}, []string{`{"y":null}`, `{"a":1}`, `{"x234":1}`, `{"x2":1,"x1":null}`}},
	{"names by enum", `{"type":"object","propertyNames":{"type":"string","enum":["a","b"]},"additionalProperties":{"type":"integer"},"required":["b"]}`,
		[]string{`{"b":1}`, `{"b":1,"a":2}`}, []string{`{"a":1}`, `{"a":1,"b":2}`, `{"b":1,"c":2}`}},
	{"any names", `{"type":"object","propertyNames":{"type":"string"},"additionalProperties":{"type":"integer"}}`, []string{`{}`, `{"a":1,"\u00e4":2}`}, []string{`{"a":"b"}`}},
	{"no names", `{"propertyNames":false}`, []string{`{}`}, []string{`{"a":1}`}},
	{"date", `{"format":"date"}`, []string{`"2024-02-29"`, `"2023-12-31"`, `"2000-02-29"`}, []string{`"2023-02-29"`, `"1900-02-29"`, `"2023-04-31"`, `"2023-13-01"`}},
	{"integers", `{"type":"integer","minimum":-5,"maximum":120}`, []string{`-5`, `0`, `7`, `99`, `120`, `-1`}, []string{`-6`, `121`, `-0`, `1000`, `1.0`}},
	{"integers above", `{"type":"integer","exclusiveMinimum":10}`, []string{`11`, `99`, `100`, `12345`}, []string{`10`, `9`, `-11`}},
	{"negative", `{"type":"integer","exclusiveMaximum":-10}`, []string{`-11`, `-100`}, []string{`-10`, `-9`, `0`, `5`}},
	{"numbers", `{"type":"number","minimum":0.5,"exclusiveMaximum":2.25}`,
		[]string{`0.5`, `0.50`, `0.51`, `1`, `1.999`, `2`, `2.2`, `2.2499`, `2.0`}, []string{`0.49`, `0`, `2.25`, `2.250`, `2.3`, `3`, `10`, `-1`, `1e0`}},
	{"numbers around zero", `{"type":"number","minimum":-0.05,"maximum":0.05}`, []string{`0`, `0.0`, `-0.05`, `0.05`, `-0.001`}, []string{`-0`, `-0.0`, `0.06`, `-0.051`, `1`}},
	{"multiples", `{"type":"integer","multipleOf":7,"minimum":1,"maximum":30}`, []string{`7`, `14`, `21`, `28`}, []string{`0`, `1`, `35`, `8`}},
	{"cents", `{"type":"number","multipleOf":0.01}`, []string{`1`, `1.5`, `1.25`, `-3.10`}, []string{`1.255`, `1e2`}},
	{"array", `{"type":"array","items":{"type":"integer"},"minItems":1,"maxItems":3}`, []string{`[1]`, `[1,2,3]`}, []string{`[]`, `[1,2,3,4]`, `[1,]`, `["a"]`}},
	{"any array", `{"type":"array"}`, []string{`[]`, `[1,"a",[]]`}, []string{`{}`}},
	{"no items", `{"type":"array","items":false}`, []string{`[]`}, []string{`[1]`}},
	{"tuple", `{"prefixItems":[{"type":"integer"},{"type":"string"}]}`, []string{`[1,"a"]`}, []string{`[]`, `[1]`, `["a",1]`, `[1,"a",2]`}},
	{"tuple and more", `{"prefixItems":[{"type":"integer"}],"items":{"type":"null"},"minItems":0,"maxItems":3}`,
		[]string{`[]`, `[1]`, `[1,null]`, `[1,null,null]`}, []string{`[null]`, `[1,null,null,null]`}},
	{"short tuple", `{"prefixItems":[{"type":"integer"},{"type":"integer"}],"minItems":1}`, []string{`[1]`, `[1,2]`}, []string{`[]`, `[1,2,3]`}},
	{"long tuple", `{"prefixItems":[{"type":"integer"}],"minItems":3}`, []string{`[1,"a",null]`}, []string{`[1]`, `[1,2]`}},
	{"anyOf", `{"anyOf":[{"type":"integer"},{"type":"object","properties":{"a":{"type":"null"}},"required":["a"]}]}`, []string{`1`, `{"a":null}`}, []string{`{}`, `null`}},
	{"anyOf beside", `{"type":"object","properties":{"a":{"type":"null"},"b":{"type":"null"}},"anyOf":[{"required":["a"]},{"required":["b"]}]}`,
		[]string{`{"a":null}`, `{"b":null}`, `{"a":null,"b":null}`}, []string{`{}`}},
	{"oneOf", `{"oneOf":[{"type":"object","properties":{"kind":{"const":"a"},"x":{"type":"null"}},"required":["kind","x"]},
		{"type":"object","properties":{"kind":{"const":"b"}},"required":["kind"]},{"type":"integer","maximum":3},{"type":"integer","minimum":4}]}`,
		[]string{`{"kind":"a","x":null}`, `{"kind":"b"}`, `3`, `4`}, []string{`{"kind":"a"}`, `{"kind":"c"}`}},
	{"oneOf by properties", `{"oneOf":[{"properties":{"a":{}},"required":["a"]},{"properties":{"b":{}},"required":["b"]}]}`, []string{`{"a":1}`, `{"b":2}`}, []string{`{"a":1,"b":2}`}},
	{"allOf", `{"allOf":[{"properties":{"a":{"type":"number"}},"required":["a"]},{"properties":{"a":{"minimum":3},"b":{"type":"null"}}}]}`,
		[]string{`{"a":3}`, `{"a":3.5,"b":null}`}, []string{`{"a":2}`, `{"b":null}`}},
	{"allOf closed", `{"allOf":[{"properties":{"a":{"type":"null"}},"additionalProperties":false},{"properties":{"b":{"type":"null"}}}]}`, []string{`{}`, `{"a":null}`}, []string{`{"b":null}`}},
	{"recursion", `{"$defs":{"node":{"type":"object","properties":{"v":{"type":"integer"},"next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}},"required":["v","next"],"additionalProperties":false}},"$ref":"#/$defs/node"}`,
		[]string{`{"v":1,"next":null}`, `{"v":1,"next":{"v":2,"next":{"v":3,"next":null}}}`}, []string{`{"v":1}`, `{"v":1,"next":{}}`}},
	{"root recursion", `{"type":"object","properties":{"children":{"type":"array","items":{"$ref":"#"}}},"required":["children"]}`,
		[]string{`{"children":[]}`, `{"children":[{"children":[]},{"children":[]}]}`}, []string{`{"children":[1]}`}},
	{"ref and more", `{"$defs":{"n":{"type":"integer"}},"properties":{"a":{"$ref":"#/$defs/n","minimum":5}},"required":["a"]}`, []string{`{"a":5}`}, []string{`{"a":4}`}},
	{"odd names", `{"$defs":{"a/b~c%":{"type":"null"}},"properties":{"\"é\n":{"$ref":"#/$defs/a~1b~0c%25"}},"required":["\"é\n"]}`, []string{`{"\"é\n":null}`}, []string{`{}`}},
	{"annotations", `{"title":"t","description":"d","default":1,"examples":[2],"$schema":"s","$id":"i","$comment":"c","type":"null","x-order":3}`, []string{`null`}, []string{`1`}},
}

func TestSchemas(t *testing.T) {
	for _, c := range schemaCases {
		g, err := JSONSchema([]byte(c.schema), Compact)
		require.NoError(t, err, c.name)
		for _, text := range c.yes {
			require.True(t, follow(t, g, text), "%s: %s", c.name, text)
		}
		for _, text := range c.no {
			require.False(t, follow(t, g, text), "%s: %s", c.name, text)
		}
	}
}

func TestRefusedSchemas(t *testing.T) {
	for schema, want := range map[string]string{
		`{"type":"array","items":{"type":"string"},"uniqueItems":true}`: `schema at #: uniqueItems: the keyword is not supported`,
		`{"properties":{"a":{"not":{}}}}`:                               `schema at #/properties/a: not: the keyword is not supported`,
		`{"$defs":{"x/y":{"if":{}}}}`:                                   `schema at #/$defs/x~1y: if: the keyword is not supported`,
		`{"type":"set"}`:                                                `schema at #: type: there is no type "set"`,
		`{"type":[]}`:                                                   `type: want a name`,
		`{"enum":1}`:                                                    `enum: want a list`,
		`{"enum":[]}`:                                                   `no finite value`,
		`{"type":"string","enum":[1]}`:                                  `no finite value`,
		`{"type":"string","pattern":"(?=a)"}`:                           `pattern: "(?=a)": `,
		`{"type":"string","pattern":"\\bx"}`:                            `pattern: `,
		`{"type":"object","propertyNames":{"maxLength":1},"required":["ab"]}`: `no finite value`,
		`{"propertyNames":{"anyOf":[{}]}}`:                                    `propertyNames: anyOf and oneOf`,
		`{"pattern":"^(?=a)b|c"}`:                                             `lookahead beside alternatives`,
		`{"pattern":"a(?!b)"}`:                                                `pattern: "a(?!b)"`,
		`{"pattern":"^(?=a"}`:                                                 `a parenthesis is not closed`,
		`{"format":1}`:                                                        `format: want a string`,
		`{"type":"string","format":"regex"}`:                                  `format: "regex" is not supported`,
		`{"type":"integer","multipleOf":0}`:                                   `multipleOf: want a number above 0`,
		`{"type":"integer","minimum":5,"maximum":4}`:                          `no finite value`,
		`{"type":"integer","exclusiveMinimum":true}`:                          `exclusiveMinimum: want a number`,
		`{"minLength":-1}`:                                                    `minLength: want a whole number`,
		`{"maxItems":70000}`:                                                  `maxItems: 70000 is more than the 65536 supported`,
		`{"$ref":"#/a"}`:                                                      `$ref: "#/a": there is nothing there`,
		`{"$ref":"http://x/y"}`:                                               `only references within the schema`,
		`{"$ref":"#"}`:                                                        `refers to itself`,
		`{"anyOf":[{"$ref":"#"},{"type":"null"}]}`:                            `refers to itself`,
		`{"allOf":[{"$ref":"#"}],"type":"null"}`:                              `refers to itself`,
		`{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}`:  `no finite value`,
		`{"oneOf":[{"type":"integer"},{"type":"number"}]}`:                    `oneOf: a value might be valid under both branch 0 and branch 1`,
		`{"oneOf":[{"properties":{"a":{},"b":{}},"required":["a"]},{"properties":{"b":{}},"required":["b"]}]}`: `oneOf: a value might`,
		`{"oneOf":[{"required":["a"],"additionalProperties":true},{"required":["b"]}]}`:                        `oneOf: a value might`,
		`{"oneOf":[{"type":"integer","maximum":3},{"type":"integer","minimum":3}]}`:                            `oneOf: a value might`,
		`{"oneOf":[{"properties":{"a":{}}},{"properties":{"b":{}}}]}`:                                          `oneOf: a value might`,
		`{"properties":{"a":1}}`: `schema at #/properties/a: want an object or a boolean`,
		`{"items":[{}]}`:         `items: a list of schemas is not supported; use prefixItems`,
		`{"required":"a"}`:       `required: want a list of names`,
		`[]`:                     `want an object or a boolean`,
		`{`:                      `schema: `,
		`{}{}`:                   `schema: `,
		`{"a":1,"a":2}`:          `the name "a" stands twice`,
		`false`:                  `no finite value`,
	} {
		g, err := JSONSchema([]byte(schema), Compact)
		require.ErrorContains(t, err, want, schema)
		require.Nil(t, g)
	}
}

func TestFlexibleSpace(t *testing.T) {
	g, err := JSONSchema([]byte(`{"properties":{"a":{"type":"array","items":{"type":"integer"}},"b":{"const":{"x":[1,2]}}},"required":["a","b"]}`), Flexible)
	require.NoError(t, err)
	for _, text := range []string{
		`{"a":[1,2],"b":{"x":[1,2]}}`, `{"a": [1, 2], "b": {"x": [1, 2]}}`,
		"{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {\n    \"x\": [\n      1,\n      2\n    ]\n  }\n}",
	} {
		require.True(t, follow(t, g, text), text)
	}
	for _, text := range []string{`{"a" :[1],"b":{"x":[1,2]}}`, `{"a":[1] ,"b":{"x":[1,2]}}`, `{  "a":[1],"b":{"x":[1,2]}}`} {
		require.False(t, follow(t, g, text), text)
	}
}

// TestHostileSchemas compiles schemas that could take very long or very much.
func TestHostileSchemas(t *testing.T) {
	list := func(n int, one func(i int) string) string {
		var parts []string
		for i := range n {
			parts = append(parts, one(i))
		}
		return strings.Join(parts, ",")
	}
	for name, c := range map[string]struct{ schema, want string }{
		"choices within choices": {`{"allOf":[` + list(40, func(i int) string {
			return fmt.Sprintf(`{"anyOf":[{"required":["a%d"]},{"required":["b%d"]}]}`, i, i)
		}) + `]}`, "too large"},
		"many properties":  {`{"properties":{` + list(40000, func(i int) string { return fmt.Sprintf(`"p%d":{"type":"null"}`, i) }) + `}}`, "too large: more than 16384 rules"},
		"many values":      {`{"allOf":[{"enum":[` + list(60000, func(i int) string { return fmt.Sprint(i) }) + `]},{"enum":[` + list(60000, func(i int) string { return fmt.Sprint(i + 59990) }) + `]}]}`, ""},
		"many references":  {`{"$defs":{` + list(20000, func(i int) string { return fmt.Sprintf(`"d%d":{"$ref":"#/$defs/d%d"}`, i, i+1) }) + `,"d20000":{"type":"null"}},"$ref":"#/$defs/d0"}`, ""},
		"many branches":    {`{"oneOf":[` + list(800, func(i int) string { return fmt.Sprintf(`{"properties":{"k":{"const":%d}},"required":["k"]}`, i) }) + `]}`, "too large"},
		"some branches":    {`{"oneOf":[` + list(200, func(i int) string { return fmt.Sprintf(`{"properties":{"k":{"const":%d}},"required":["k"]}`, i) }) + `]}`, ""},
		"deep":             {strings.Repeat(`{"items":`, 300) + `{}` + strings.Repeat(`}`, 300), "nested deeper than 200"},
		"counts in counts": {strings.Repeat(`{"maxItems":60000,"items":`, 30) + `{}` + strings.Repeat(`}`, 30), "too large"},
		"pattern":          {`{"pattern":"^((a?b?c?){50}){19}$"}`, "too many states"},
		"patterns":         {`{"allOf":[` + list(12, func(i int) string { return fmt.Sprintf(`{"pattern":"^(.{%d})*$"}`, 7+2*i) }) + `]}`, "too many states"},
		"lookahead":        {`{"pattern":"^(?!(\\p{L}|a.{0,300}|[^b]{0,300}c)*)z"}`, "too many states"},
		"lookaheads":       {`{"pattern":"^(?!(a|b)*a(a|b){20})x"}`, "too many states"},
		"classes":          {`{"allOf":[{"pattern":"^(\\p{L}?\\p{N}?){300}$"},{"pattern":"^(\\p{N}?\\p{L}?){300}$"}]}`, "too many states"},
		"many patterns":    {`{"anyOf":[` + list(5000, func(i int) string { return fmt.Sprintf(`{"pattern":"^(?!.*a.{6}b)x%d"}`, i) }) + `]}`, "too many states"},
		"same pattern":     {`{"properties":{` + list(2000, func(i int) string { return fmt.Sprintf(`"p%d":{"format":"hostname"}`, i) }) + `}}`, "too large"},
		"exponent":         {`{"minimum":1e999999999}`, "exponent"},
		"digits":           {`{"type":"number","minimum":1e-400,"maximum":1e400}`, ""},
		"steps":            {`{"type":"number","multipleOf":0.0123456789}`, "too many states"},
	} {
		t.Run(name, func(t *testing.T) {
			g, err := JSONSchema([]byte(c.schema), Compact)
			if c.want == "" {
				require.NoError(t, err)
				a := NewAutomaton(g, smallVocabulary(t))
				a.Mask(a.Start(), make([]uint64, a.vocab.Words()))
			} else {
				require.ErrorContains(t, err, c.want)
			}
		})
	}
}
