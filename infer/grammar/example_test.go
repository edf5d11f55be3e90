package grammar_test

import (
	"fmt"

	"expertfs/infer/grammar"
	"expertfs/infer/sample"
	"expertfs/infer/tokenizer"
)

// A model that scores all tokens alike still writes valid JSON, and is asked
// only where the schema leaves a choice.
func Example() {
	tokens, err := tokenizer.Load("../../checkpoint/tiny")
	if err != nil {
		fmt.Println(err)
		return
	}
	vocabulary, err := grammar.NewVocabulary(tokens.Size(), func(id int) string {
		text, _ := tokens.Text(id)
		return text
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	schema := `{
		"type": "object",
		"properties": {
			"answer": {"type": "boolean"},
			"reasons": {"type": "array", "items": {"enum": ["size", "colour"]}, "minItems": 2, "maxItems": 2}
		},
		"required": ["answer", "reasons"],
		"additionalProperties": false
	}`
	language, err := grammar.JSONSchema([]byte(schema), grammar.Compact)
	if err != nil {
		fmt.Println(err)
		return
	}
	// The automaton serves all texts of the schema; the matcher is for one.
	matcher := grammar.NewAutomaton(language, vocabulary).NewMatcher()
	sampler, _ := sample.New(sample.Params{})
	allowed := make([]uint64, matcher.Words())
	var text []int
	asked := 0
	for !matcher.Done() {
		if forced := matcher.ForcedTokens(tokens.Encode); len(forced) > 0 {
			text = append(text, forced...)
			continue
		}
		logits := make([]float32, tokens.Size()) // the model's, after text
		matcher.Mask(allowed)
		id, err := sampler.SampleOf(logits, allowed)
		if err == nil {
			err = matcher.Accept(id)
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		text = append(text, id)
		asked++
	}
	fmt.Println(tokens.Decode(text))
	fmt.Println("tokens", len(text), "asked for", asked)
	// Output:
	// {"answer":false,"reasons":["colour","colour"]}
	// tokens 28 asked for 3
}
