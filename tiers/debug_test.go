package tiers

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestDebugLines: uses, loads and evictions are told of, and not all of many.
func TestDebugLines(t *testing.T) {
	var text bytes.Buffer
	log := slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c := newCache(t, tiny(t), 4, Options{Log: log})
	for expert := range 5 {
		open(t, c, key(0, expert)).Release()
	}
	open(t, c, key(0, 4)).Release()
	require.NoError(t, c.Close()) // when it returns, all is passed on
	for _, line := range []string{
		`msg=used expert="layer 0 expert 4" stream=63 as=miss`,
		`msg=loaded expert="layer 0 expert 4" took=`,
		`msg=evicted expert="layer 0 expert `,
		`msg=used expert="layer 0 expert 4" stream=63 as=hit`,
	} {
		require.Contains(t, text.String(), line)
	}

	text.Reset()
	d := newDebugLog(log)
	now := time.Now()
	d.now = func() time.Time { return now }
	for range debugEach + 7 {
		d.pass(event{kind: used})
	}
	d.pass(event{kind: evicted})
	require.Equal(t, debugEach+1, strings.Count(text.String(), "\n"), "each kind for itself")
	now = now.Add(time.Second)
	d.pass(event{kind: used})
	require.True(t, strings.HasSuffix(text.String(), " left_out=7\n"), text.String())

	require.Nil(t, newDebugLog(slog.New(slog.NewTextHandler(&text, nil))))
}
