package grammar

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// What is written under a pattern matches it as ECMAScript has it, where Go's own reading
// would be another one.
func TestPatternsAreThoseOfECMAScript(t *testing.T) {
	for _, c := range []struct {
		pattern string
		valid   []string
		invalid []string
	}{
		{`^\S$`, []string{"a", "\u200b"}, []string{" ", "\v", "\u00a0", "\u2003", "\u3000", "\ufeff"}},
		{`^[\S]$`, []string{"a"}, []string{" ", "\v", "\u00a0"}},
		{`^[^\S]$`, []string{" ", "\v", "\u00a0"}, []string{"a"}},
		{`^[^\s]$`, []string{"a"}, []string{" ", "\v", "\u00a0"}},
		{`^\s$`, []string{" ", "\v", "\u00a0", "\ufeff"}, []string{"a", "\u200b"}},
		{`^[\s-z]$`, []string{" ", "-", "z"}, []string{"a", "y"}},
		{`^[a-c\s]$`, []string{"b", "\u00a0"}, []string{"-"}},
		{`^[]a]|b$`, []string{"b"}, []string{"a", "]", "a]", "]]"}},
		{`^[^]]$`, []string{"a]", "]]"}, []string{"a", "]"}},
		{`^[[:alpha:]]$`, []string{"a]", ":]", "[]"}, []string{"a", "b", "z]"}},
		{`^[\]-]$`, []string{"]", "-"}, []string{"\\"}},
		{`^\u0041}$`, []string{"A}"}, []string{"A"}},
		{`^\ud83d\ude00$`, []string{"😀"}, []string{"a"}},
		{`^[\ud83d\ude00-\ud83d\ude02]$`, []string{"😁"}, []string{"😃"}},
	} {
		m, err := patternMachine(newEffort(), c.pattern)
		require.NoError(t, err, c.pattern)
		for _, text := range c.valid {
			require.True(t, m.matches(text), "%s: %q", c.pattern, text)
		}
		for _, text := range c.invalid {
			require.False(t, m.matches(text), "%s: %q", c.pattern, text)
		}
	}
	for _, pattern := range []string{`\u41}a`, `\uzzzz`, `\u`, `[a-\s]`, `[!-\S]`, `[\u`} {
		_, err := patternMachine(newEffort(), pattern)
		require.Error(t, err, pattern)
		_, err = JSONSchema([]byte(`{"type": "string", "pattern": `+strconv.Quote(pattern)+`}`), Compact)
		require.Error(t, err, pattern)
	}
}
