package grammar

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var gbnfCases = []struct {
	name, source string
	yes, no      []string
}{
	{"literals", `root ::= "a\"b\\\n" | "\x41\u00e9\U0001F600"`, []string{"a\"b\\\n", "Aé😀"}, []string{"", "a", "Aé"}},
	{"operators", "root ::= \"a\"? \"b\"* \"cd\"+ [x]{2} [y]{1,} [z]{1,3} [w]{0}", []string{"cdxxyz", "abbbcdcdxxyyyyzzz"}, []string{"cdxyz", "cdxxyzzzz", "aacdxxyz", "cdxxyzw"}},
	{"upper bound", `root ::= "a"{,2}`, []string{"", "a", "aa"}, []string{"aaa"}},
	{"operators on operators", `root ::= "a"+?`, []string{"", "a", "aaa"}, nil},
	{"classes", `root ::= [a-c\]\\é-ü.] [^x-z\n] .`, []string{"aax", "]a\n", "é😀😀", "\\\tb", ".aa"}, []string{"dab", "axa", "a\na", "aa"}},
	{"dash", `root ::= [a-] [-a] [+-.]`, []string{"a-,", "--.", "-a+"}, []string{"b--"}},
	{"alternatives", "root ::= \"a\" |\n \"b\" # comment ::= \n\n# more\nx ::= \"c\"", []string{"a", "b"}, []string{"c", ""}},
	{"lines", "root ::= rule_1 # one\n\n  | b_2\r\n | \"c\"\nrule_1 ::= \"a\"\nb_2 ::= \"b\"", []string{"a", "b", "c"}, []string{"ab", ""}},
	{"groups", "root ::= (\n  \"a\"\n  | \"b\" # x\n)+ \"c\"", []string{"abc", "bbac"}, []string{"c"}},
	{"nothing", "root ::= x \"b\" x\nx ::= | \"a\"\n", []string{"b", "ab", "aba"}, []string{"a"}},
	{"recursion", "root ::= \"(\" root \")\" root | \"\"", []string{"", "()", "(())()"}, []string{"(", ")", "(()"}},
	{"palindromes", "root ::= \"a\" root \"a\" | \"b\" root \"b\" | \"c\"", []string{"c", "aca", "abcba"}, []string{"acb", "ab"}},
	{"two readings", "root ::= (x | y)+\nx ::= \"a\" root \"b\" | \"a\"\ny ::= \"a\" root \"c\" | \"a\"", []string{"a", "aa", "aab", "aabaac", "aaabc"}, []string{"b", "ab"}},
	{"windows lines", "root ::= a\r\na ::= \"x\"\r\n", []string{"x"}, nil},
	{"repeated rule", "root ::= item{3} end\nitem ::= [0-9]+ \",\"\nend ::= \".\"", []string{"1,22,3,."}, []string{"1,2,.", "1,2,3,4,."}},
	{"list", `root ::= item+
item ::= "- " [^\r\n\x0b\x0c\x85\u2028\u2029]+ "\n"`, []string{"- milk\n", "- milk\n- eggs, twelve\n"}, []string{"milk\n", "- \n", "- a\u2028\n"}},
	{"arithmetic", `root  ::= (expr "=" ws term "\n")+
expr  ::= term ([-+*/] term)*
term  ::= ident | num | "(" ws expr ")" ws
ident ::= [a-z] [a-z0-9_]* ws
num   ::= [0-9]+ ws
ws    ::= [ \t\n]*`, []string{"x=1\n", "(a +12) *b1 = y\n", "1+1=2\n2=2\n"}, []string{"x=\n", "x=1", "(a=1\n", "1++1=2\n"}},
	{"chess", `root    ::= "1. " move " " move "\n" ([1-9] [0-9]? ". " move " " move "\n")+
move    ::= (pawn | nonpawn | castle) [+#]?
nonpawn ::= [NBKQR] [a-h]? [1-8]? "x"? [a-h] [1-8]
pawn    ::= ([a-h] "x")? [a-h] [1-8] ("=" [NBKQR])?
castle  ::= "O-O" "-O"?`, []string{"1. e4 e5\n2. Nf3 Nc6\n", "1. d4 d5\n2. O-O exd8=Q+\n12. R1xa4# O-O-O\n"}, []string{"1. e4 e5\n", "1. e9 e5\n2. a4 a5\n", "2. e4 e5\n"}},
	{"json", `root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") ws
object ::= "{" ws (
             string ":" ws value
             ("," ws string ":" ws value)*
           )? "}" ws
array  ::= "[" ws ( value ("," ws value)* )? "]" ws
string ::= "\"" ( [^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}) )* "\"" ws
number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws
ws     ::= | " " | "\n" [ \t]{0,20}`, []string{`{}`, `{"a": [1, -2.5e3, "x\u00e9", {}], "b":null}`, "{\n\t\"a\":true}\n"}, []string{`[]`, `{"a":01}`, `{"a"}`, `{a:1}`}},
	{"c", `root ::= (declaration)*
declaration ::= dataType identifier "(" parameter? ")" "{" statement* "}"
dataType  ::= "int" ws | "float" ws | "char" ws
identifier ::= [a-zA-Z] [a-zA-Z0-9]*
parameter ::= dataType identifier
statement ::= ( dataType identifier ws "=" ws expression ";" ) | ( "return" ws expression ";" )
expression ::= term (("+" | "-") term)*
term ::= factor(("*" | "/") factor)*
factor ::= identifier | [0-9]+ | "(" expression ")"
ws ::= ([ \t\n]+)`, []string{"int main(){return 1+2*(a-3);}", "float f(int x){int y = x;return y;}"}, []string{"int main(){return 1+;}"}},
}

func TestGBNF(t *testing.T) {
	for _, c := range gbnfCases {
		g, err := GBNF(c.source)
		require.NoError(t, err, c.name)
		for _, text := range c.yes {
			require.True(t, follow(t, g, text), "%s: %q", c.name, text)
		}
		for _, text := range c.no {
			require.False(t, follow(t, g, text), "%s: %q", c.name, text)
		}
	}
}

// TestGBNFMasks compares masks on random texts of each grammar with the slow
// ones, and follows the texts to their end.
func TestGBNFMasks(t *testing.T) {
	for _, c := range gbnfCases {
		g, err := GBNF(c.source)
		require.NoError(t, err, c.name)
		a := NewAutomaton(g, smallVocabulary(t))
		for seed := range uint64(3) {
			rng := rand.New(rand.NewPCG(seed, 2))
			text := generate(t, a, rng, 15, func(s State, _ []int) { requireMask(t, a, s) })
			require.True(t, follow(t, g, text), "%s: %q", c.name, text)
		}
	}
}

func TestGBNFErrors(t *testing.T) {
	for source, want := range map[string]string{
		"":                               "line 1, column 1: there is no rule root",
		"a ::= \"x\"":                    "there is no rule root",
		"root ::= \"x\"\nroot ::= \"y\"": "line 2, column 1: the rule root is defined twice",
		"root ::= a b\na ::= \"x\"":      "line 1, column 12: there is no rule b",
		"root = \"a\"":                   "line 1, column 6: want ::=",
		"root ::= \"é\" ]":               "line 1, column 14: want the end of the line",
		"root ::= \"a":                   "line 1, column 10: the text has no closing \"",
		"root ::= [a":                    "line 1, column 10: the class has no closing ]",
		"root ::= []":                    "the class has no character",
		"root ::= [b-a]":                 "line 1, column 11: the range ends before it begins",
		"root ::= \"\\q\"":               "line 1, column 11: there is no such escape",
		"root ::= \"\\x4\"":              "want 2 hexadecimal digits",
		"root ::= \"\\ud800\"":           "not a character",
		"root ::= \"\\U00110000\"":       "not a character",
		"root ::= \"a\"\n\n  (":          "line 3, column 3: want the name of a rule",
		"root ::= (\"a\"\n":              "line 2, column 1: want ) for the ( of line 1, column 10",
		"root ::= * \"a\"":               "line 1, column 10: there is nothing before * to repeat",
		"root ::= \"a\"{2,1}":            "the upper bound 1 is below",
		"root ::= \"a\"{}":               "want a number",
		"root ::= \"a\"{1":               "want }",
		"root ::= \"a\"{99999}":          "at most 65536 repetitions",
		"root ::= <think>":               "line 1, column 10: tokens are not supported",
		"root ::= root \"a\" | \"b\"":    "line 1, column 1: left recursion: root -> root",
		"root ::= \"x\" | a\na ::= b?  a \"y\"\nb ::= \"\"":      "line 2, column 1: left recursion: a -> a",
		"root ::= b root \"x\" | \"y\"\nb ::= c c\nc ::= \"z\"?": "line 1, column 1: left recursion: root -> root",
		"root ::= \"x\" root":                  "line 1, column 1: the rule root derives no finite text",
		"root ::= \"\xff\"":                    "line 1, column 11: not valid UTF-8",
		"root ::= " + strings.Repeat("(", 300): "nested deeper than 200",
		"root ::= " + strings.Repeat("(", 20) + "\"ab\"" + strings.Repeat("){60000}", 20): "too large: more than 262144 states",
	} {
		g, err := GBNF(source)
		require.ErrorContains(t, err, want, source)
		require.Nil(t, g)
		if !strings.Contains(want, "states") {
			require.ErrorAs(t, err, new(*GBNFError))
		}
	}
}

// TestHostileGrammars follows grammars that have very many readings: nothing may
// hang or grow without bound, and masks stay true as far as they go.
func TestHostileGrammars(t *testing.T) {
	sources := map[string]string{
		"doubling":       "root ::= a | b\na ::= \"x\" root root | \"x\"\nb ::= \"x\" root | \"x\"",
		"catalan":        "root ::= \"a\" | \"a\" root | \"a\" root root",
		"nullable loops": "root ::= ((((\"a\"?)*)*)*{0,50}){0,50}",
		"long choice":    "root ::= ([a-z]{0,2000}){0,2000} \"!\"",
		"deep":           "root ::= \"(\" root \")\" | \"x\"",
		"stacks":         "root ::= x | y\nx ::= \"a\" root \"x\" | \"\"\ny ::= \"a\" root \"y\" | \"\"",
		"windows":        "root ::= [ab]* \"a\" [ab]{400}",
	}
	var many strings.Builder
	many.WriteString("root ::= r0")
	for i := range 300 {
		fmt.Fprintf(&many, " | r%d", i)
	}
	for i := range 300 {
		fmt.Fprintf(&many, "\nr%d ::= \"a\" root? [a-%c]", i, 'b'+i%24)
	}
	sources["many rules"] = many.String()
	for name, source := range sources {
		t.Run(name, func(t *testing.T) {
			g, err := GBNF(source)
			require.NoError(t, err)
			a := NewAutomaton(g, smallVocabulary(t))
			m := a.NewMatcher()
			bits := make([]uint64, m.Words())
			rng := rand.New(rand.NewPCG(1, 3))
			for range 60 {
				m.Mask(bits)
				ids := listOf(bits)
				if len(ids) == 0 {
					break
				}
				if err := m.Accept(ids[rng.IntN(len(ids))]); err != nil {
					require.ErrorIs(t, err, ErrComplex)
					break
				}
				require.Less(t, a.memory, 4*maxMemory)
			}
		})
	}
}
