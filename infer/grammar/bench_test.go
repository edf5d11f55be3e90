package grammar

import (
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"expertfs/infer/tokenizer"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// benchCases are languages and texts of them as a model would write them.
var benchCases = []struct {
	name, schema, gbnf, text string
	white                    Whitespace
}{
	{name: "invoice", schema: `{"type":"object","properties":{
		"number":{"type":"string"},"date":{"type":"string","format":"date"},
		"customer":{"type":"object","properties":{"name":{"type":"string"},"email":{"type":["string","null"]},"address":{"type":"string"}},"required":["name","email","address"],"additionalProperties":false},
		"lines":{"type":"array","items":{"type":"object","properties":{"text":{"type":"string"},"quantity":{"type":"integer","minimum":1},"price":{"type":"number"},"unit":{"enum":["piece","hour","kg"]}},"required":["text","quantity","price","unit"],"additionalProperties":false}},
		"paid":{"type":"boolean"}},"required":["number","date","customer","lines","paid"],"additionalProperties":false}`,
		text: `{"number":"2026-0117","date":"2026-11-28","customer":{"name":"Müller & Söhne GmbH","email":null,"address":"Hauptstraße 12, 10115 Berlin"},"lines":[{"text":"Installation of the \"north\" pump, including travel","quantity":3,"price":89.5,"unit":"hour"},{"text":"Seal kit","quantity":12,"price":4.25,"unit":"piece"}],"paid":false}`},
	{name: "lengths", schema: `{"type":"object","properties":{"title":{"type":"string","maxLength":60},"summary":{"type":"string","minLength":20,"maxLength":400},"tags":{"type":"array","items":{"type":"string","maxLength":20},"maxItems":10}},"required":["title","summary","tags"]}`,
		text: `{"title":"The white whale and the sea","summary":"A captain hunts the whale that took his leg, and in the end the whale takes his ship, his crew and him; only one is left to tell of it.","tags":["whale","sea","obsession"]}`},
	{name: "patterns", schema: `{"type":"object","properties":{"id":{"type":"string","format":"uuid"},"code":{"type":"string","pattern":"^[A-Z]{3}-[0-9]{4}$"},"note":{"type":"string","pattern":"urgent"},"at":{"type":"string","format":"date-time"}},"required":["id","code","note","at"]}`,
		text: `{"id":"123e4567-e89b-42d3-a456-426614174000","code":"ABC-0042","note":"this is urgent, please","at":"2026-11-28T23:15:00Z"}`},
	{name: "json_object", white: Flexible,
		text: "{\n  \"name\": \"Ada\",\n  \"born\": 1815,\n  \"works\": [\n    {\"title\": \"Notes\", \"year\": 1843},\n    {\"title\": \"Letters to her mother\", \"year\": null}\n  ],\n  \"alive\": false\n}"},
	{name: "gbnf arithmetic", gbnf: gbnfSource("arithmetic"), text: "x=1\n(a +12) *b1 = y\nlong_name *3+foo= 77777\n"},
	{name: "gbnf list", gbnf: gbnfSource("list"), text: "- milk and bread\n- eggs, twelve of them\n- something else\n"},
	{name: "gbnf json", gbnf: gbnfSource("json"), text: `{"name": "Ada", "works": [{"title": "Notes on the engine", "year": 1843}, null, true]}`},
}

func gbnfSource(name string) string {
	for _, c := range gbnfCases {
		if c.name == name {
			return c.source
		}
	}
	panic("no grammar " + name)
}

func benchGrammar(t testing.TB, i int) *Grammar {
	c := benchCases[i]
	switch {
	case c.schema != "":
		g, err := JSONSchema([]byte(c.schema), c.white)
		require.NoError(t, err)
		return g
	case c.gbnf != "":
		g, err := GBNF(c.gbnf)
		require.NoError(t, err)
		return g
	}
	return JSONObject(c.white)
}

// cpu is the processor time of this thread, which other work on the machine does
// not stretch.
func cpu() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t)
	return time.Duration(t.Nano())
}

// BenchmarkMask computes the masks of a text's steps over the 201,088 tokens of
// GPT-OSS: with an automaton that is new for each text, and with one that has
// seen the text. It reports the processor time of a step, and of a text's worst
// step in the median.
func BenchmarkMask(b *testing.B) {
	v := largeVocabulary(b)
	tok := tokenizer.O200kHarmony()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for i, c := range benchCases {
		ids := tok.Encode(c.text)
		run := func(a *Automaton) (worst time.Duration) {
			m := a.NewMatcher()
			bits := make([]uint64, m.Words())
			for _, id := range ids {
				start := cpu()
				m.Mask(bits)
				require.NoError(b, m.Accept(id))
				worst = max(worst, cpu()-start)
			}
			require.True(b, m.Complete())
			return worst
		}
		for _, state := range []string{"new", "known"} {
			b.Run(strings.ReplaceAll(c.name, " ", "-")+"/"+state, func(b *testing.B) {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				a := NewAutomaton(benchGrammar(b, i), v)
				run(a)
				var worst []time.Duration
				start := cpu()
				for b.Loop() {
					if state == "new" {
						// Its grammar is compiled anew too: nothing is left of the last one.
						a = NewAutomaton(benchGrammar(b, i), v)
					}
					worst = append(worst, run(a))
				}
				b.ReportMetric(float64(cpu()-start)/float64(len(worst)*len(ids)), "cpu-ns/step")
				slices.Sort(worst)
				b.ReportMetric(float64(worst[len(worst)/2]), "worst-cpu-ns")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// BenchmarkVocabulary makes the trie of 201,088 tokens.
func BenchmarkVocabulary(b *testing.B) {
	largeVocabulary(b)
	for b.Loop() {
		vocabularyOf(b, tokenizer.O200kHarmony())
	}
}
