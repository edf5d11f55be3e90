package server

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestStopper compares with a search in the whole text.
func TestStopper(t *testing.T) {
	word := rapid.StringMatching(`[ab]{1,4}`)
	rapid.Check(t, func(t *rapid.T) {
		s := stopper{stops: rapid.SliceOfN(word, 0, 3).Draw(t, "stops")}
		pieces := rapid.SliceOf(rapid.StringMatching(`[abc]{0,4}`)).Draw(t, "pieces")
		var passed strings.Builder
		var read string
		stopped := false
		for _, p := range pieces {
			var text string
			read += p
			text, stopped = s.push(p)
			passed.WriteString(text)
			if stopped {
				break
			}
		}
		if !stopped {
			passed.WriteString(s.flush())
		}
		want, found := read, false
		for _, stop := range s.stops {
			if i := strings.Index(read, stop); i >= 0 {
				found = true
				want = want[:min(i, len(want))]
			}
		}
		require.Equal(t, found, stopped)
		require.Equal(t, want, passed.String())
	})
}
