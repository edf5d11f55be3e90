package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLogLeavesRepeatsOut(t *testing.T) {
	var out bytes.Buffer
	h := newFewRepeats(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	begin := time.Now()
	say := func(h slog.Handler, after time.Duration, level slog.Level, message string, n int) {
		r := slog.NewRecord(begin.Add(after), level, message, 0)
		r.AddAttrs(slog.Int("n", n))
		require.NoError(t, h.Handle(context.Background(), r))
	}
	// As a reader did that wrote nonsense to a control file 25,857 times.
	for i := range 25857 {
		say(h, time.Duration(i)*time.Microsecond, slog.LevelWarn, "refused", i)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, repeatBurst)
	require.NotContains(t, lines[repeatBurst-2], "left out")
	require.Contains(t, lines[repeatBurst-1], `note="more of these are left out for up to 1m0s"`)

	out.Reset()
	say(h.WithAttrs([]slog.Attr{slog.String("a", "b")}), time.Second, slog.LevelWarn, "refused", 1)
	require.Empty(t, out.String(), "attributes make no other message")
	say(h, time.Second, slog.LevelError, "refused", 1)
	say(h, time.Second, slog.LevelWarn, "other", 1)
	require.Equal(t, 2, strings.Count(out.String(), "\n"), "another level or message is another line")
	out.Reset()
	say(h, repeatPeriod, slog.LevelWarn, "refused", 1)
	require.Contains(t, out.String(), fmt.Sprint("left_out_before=", 25857+1-repeatBurst))

	out.Reset()
	for i := range 3 * repeatBurst {
		say(h, 0, slog.LevelDebug, "request", i)
	}
	require.Equal(t, 3*repeatBurst, strings.Count(out.String(), "\n"))
	for i := range 2 * maxMessages {
		say(h, 0, slog.LevelInfo, fmt.Sprint("of a library: ", i), i)
	}
	require.LessOrEqual(t, len(h.(fewRepeats).counts.messages), maxMessages)
}
