package server

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"expertfs/infer/grammar"
	"expertfs/infer/tokenizer"

	"github.com/stretchr/testify/require"
)

// TestGrammarsAreBounded asks for more grammars than are kept, small ones and
// then ones that take megabytes each.
func TestGrammarsAreBounded(t *testing.T) {
	tokens, err := tokenizer.Load("../../checkpoint/tiny")
	require.NoError(t, err)
	s := &Server{Tokens: tokens}
	var g grammars
	get := func(key, source string) *grammar.Automaton {
		a, err := g.get(context.Background(), s, key, func() (*grammar.Grammar, error) { return grammar.GBNF(source) })
		require.NoError(t, err)
		return a
	}
	first := get("0", `root ::= "a"`)
	for i := range 100 {
		get(fmt.Sprint(i), `root ::= "a"`)
		require.Same(t, first, get("0", ""), "what is used is kept")
	}
	require.Len(t, g.kept, mostGrammars)
	for i := range 12 {
		get(fmt.Sprint("large ", i), `root ::= "b"{60000} "c"{60000}`)
	}
	require.Less(t, len(g.kept), 12)
	bytes := 0
	for _, k := range g.kept {
		bytes += k.automaton.Memory()
	}
	require.Less(t, bytes, mostGrammarBytes)
}

// TestChoicesShareTheirGrammar asks for many choices under a short grammar and a
// long one, which is not to be copied for each of them.
func TestChoicesShareTheirGrammar(t *testing.T) {
	server, _ := start(t, &model{says: "a<|return|>"})
	for path, fields := range map[string]string{"completions": `"prompt": "x"`, "chat/completions": `"messages": [{"role": "user", "content": "x"}]`} {
		cost := func(comment int) int {
			body := `{` + fields + `, "n": 128, "max_tokens": 1, "temperature": 0, "grammar": "root ::= \"a\" # ` + strings.Repeat("x", comment) + `"}`
			status, answer := post(t, server, "/v1/"+path, body) // makes what is kept
			require.Equal(t, 200, status, answer)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			status, _ = post(t, server, "/v1/"+path, body)
			runtime.ReadMemStats(&after)
			require.Equal(t, 200, status)
			return int(after.TotalAlloc-before.TotalAlloc) >> 20
		}
		short := cost(0)
		require.Less(t, cost(900_000), short+60, path)
	}
}
