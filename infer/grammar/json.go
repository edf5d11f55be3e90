package grammar

// What JSON is made of. Only valid UTF-8 and pairs of surrogates are derived,
// so that every decoder gives back the same text.

func chars(text string) class {
	var rs []runeRange
	for _, r := range text {
		rs = append(rs, runeRange{r, r})
	}
	return class(setOf(rs...))
}

var (
	digit    = class{{'0', '9'}}
	nonzero  = class{{'1', '9'}}
	hexDigit = class{{'0', '9'}, {'A', 'F'}, {'a', 'f'}}

	// unescaped is the characters that stand for themselves in a string.
	unescaped = setOf(runeRange{0x20, '!'}, runeRange{'#', '['}, runeRange{']', 0xD7FF}, runeRange{0xE000, 0x10FFFF})

	// jsonChar is one character of a string in any spelling.
	jsonChar = alt{
		class(unescaped),
		seq{lit(`\`), alt{
			chars(`"\/bfnrt`),
			seq{lit("u"), alt{
				seq{class{{'0', '9'}, {'A', 'C'}, {'E', 'F'}, {'a', 'c'}, {'e', 'f'}}, hexDigit, hexDigit, hexDigit},
				seq{chars("dD"), class{{'0', '7'}}, hexDigit, hexDigit},
				seq{chars("dD"), chars("89ABab"), hexDigit, hexDigit,
					lit(`\u`), chars("dD"), class{{'C', 'F'}, {'c', 'f'}}, hexDigit, hexDigit},
			}},
		}},
	}

	// Digits are limited, since a model may never stop writing them. What is
	// left holds every 64-bit float in its shortest form.
	jsonInteger = seq{optional(lit("-")), alt{lit("0"), seq{nonzero, repeat{digit, 0, maxDigits - 1}}}}
	jsonNumber  = seq{jsonInteger,
		optional(lit("."), repeat{digit, 1, maxDigits}),
		optional(chars("eE"), optional(chars("+-")), repeat{digit, 1, 2})}
)

// maxDigits is how many digits stand before the point, and behind it.
const maxDigits = 17

// Whitespace is where a model may put it between the tokens of JSON.
type Whitespace int

const (
	// Compact has none: {"a":1,"b":[2,3]}. All that the schema decides is then
	// forced, and costs no step.
	Compact Whitespace = iota
	// Flexible allows, after a bracket or comma and before a closing bracket,
	// a space, or a line end with up to maxIndent spaces or tabs, and after a
	// colon a space.
	Flexible
)

const maxIndent = 40

// jsonRules are the rules of JSON in a grammar. Each is added at its first use.
type jsonRules struct {
	*rules
	white Whitespace
	made  map[string]ref
	twins int // edges that may still be looked at, see machine.twins
}

func newJSONRules(white Whitespace) *jsonRules {
	return &jsonRules{rules: &rules{}, white: white, made: make(map[string]ref), twins: maxTwins}
}

// once returns the rule of that name, which body makes if it is new.
func (j *jsonRules) once(name string, body func() expr) ref {
	rule, ok := j.made[name]
	if !ok {
		rule = j.declare(name)
		j.made[name] = rule
		j.define(rule, body())
	}
	return rule
}

// space is whitespace after a bracket or comma and before a closing bracket.
func (j *jsonRules) space() expr {
	if j.white == Compact {
		return seq{}
	}
	return j.once("space", func() expr {
		return alt{seq{}, lit(" "), seq{lit("\n"), repeat{chars(" \t"), 0, maxIndent}}}
	})
}

func (j *jsonRules) colon() expr {
	if j.white == Compact {
		return lit(":")
	}
	return seq{lit(":"), optional(lit(" "))}
}

func (j *jsonRules) comma() expr { return seq{lit(","), j.space()} }

func (j *jsonRules) char() ref {
	return j.once("char", func() expr { return jsonChar })
}

func (j *jsonRules) anyString() ref {
	return j.once("string", func() expr { return seq{lit(`"`), repeat{jsonChar, 0, -1}, lit(`"`)} })
}

func (j *jsonRules) anyNumber() ref {
	return j.once("number", func() expr { return jsonNumber })
}

// list is items between brackets with commas, at least one when some is set.
func (j *jsonRules) list(left string, item expr, right string) expr {
	return seq{lit(left), j.space(),
		optional(item, repeat{seq{j.comma(), item}, 0, -1}, j.space()),
		lit(right)}
}

func (j *jsonRules) anyObject() ref {
	return j.once("object", func() expr {
		return j.list("{", seq{j.anyString(), j.colon(), j.anyValue()}, "}")
	})
}

func (j *jsonRules) anyArray() ref {
	return j.once("array", func() expr { return j.list("[", j.anyValue(), "]") })
}

func (j *jsonRules) anyValue() ref {
	return j.once("value", func() expr {
		return alt{j.anyObject(), j.anyArray(), j.anyString(), j.anyNumber(), lit("true"), lit("false"), lit("null")}
	})
}

// JSONObject returns the grammar of all JSON objects.
func JSONObject(white Whitespace) *Grammar {
	j := newJSONRules(white)
	j.anyObject()
	g, err := compile(j.rules)
	if err != nil {
		panic("the grammar of JSON: " + err.Error()) // it does not depend on input
	}
	return g
}
