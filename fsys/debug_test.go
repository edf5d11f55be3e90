package fsys

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestRequestsAreSampled: of the lines about requests so many pass in a second, and the
// rest is counted.
func TestRequestsAreSampled(t *testing.T) {
	var text bytes.Buffer
	h := newSampled(slog.NewTextHandler(&text, nil))
	begin := time.Now()
	log := func(after time.Duration) {
		require.NoError(t, h.Handle(t.Context(), slog.NewRecord(begin.Add(after), slog.LevelInfo, "rx", 0)))
	}
	for range debugLines + 7 {
		log(0)
	}
	require.Equal(t, debugLines, strings.Count(text.String(), "msg=rx\n"))
	log(2 * time.Second)
	require.Contains(t, text.String(), `msg="7 lines about requests were left out"`)
	require.Equal(t, debugLines+1, strings.Count(text.String(), "msg=rx\n"))
}
