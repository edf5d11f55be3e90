package main

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// What a log takes of one message: so many lines in a time, whatever their
// attributes are. A reader that writes nonsense to a control file all day must not
// fill the disk.
const (
	repeatBurst  = 20
	repeatPeriod = time.Minute
	// maxMessages bounds what is remembered. Messages are constants but for those
	// of libraries.
	maxMessages = 1000
)

// fewRepeats is a log handler that leaves out lines whose message and level come too
// often, and says so. Debug lines, which are asked for, all pass.
type fewRepeats struct {
	slog.Handler
	counts *repeatCounts // shared by all handlers that descend from one
}

type repeatCounts struct {
	mu       sync.Mutex
	messages map[repeatKey]*repeats
}

type repeatKey struct {
	level   slog.Level
	message string
}

type repeats struct {
	since   time.Time
	passed  int
	leftOut int
}

func newFewRepeats(h slog.Handler) slog.Handler {
	return fewRepeats{h, &repeatCounts{messages: make(map[repeatKey]*repeats)}}
}

// Handle implements slog.Handler.
func (h fewRepeats) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelInfo {
		return h.Handler.Handle(ctx, r)
	}
	attrs, pass := h.counts.take(r)
	if !pass {
		return nil
	}
	r = r.Clone() // others may share its attributes
	r.AddAttrs(attrs...)
	return h.Handler.Handle(ctx, r)
}

// take counts a line. It tells whether the line is to be logged, and with what more.
func (c *repeatCounts) take(r slog.Record) (attrs []slog.Attr, pass bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := repeatKey{r.Level, r.Message}
	n := c.messages[key]
	if n == nil {
		if len(c.messages) >= maxMessages {
			clear(c.messages)
		}
		n = &repeats{since: r.Time}
		c.messages[key] = n
	}
	if r.Time.Sub(n.since) >= repeatPeriod {
		if n.leftOut > 0 {
			attrs = append(attrs, slog.Int("left_out_before", n.leftOut))
		}
		*n = repeats{since: r.Time}
	}
	if n.passed == repeatBurst {
		n.leftOut++
		return nil, false
	}
	n.passed++
	if n.passed == repeatBurst {
		attrs = append(attrs, slog.String("note", "more of these are left out for up to "+repeatPeriod.String()))
	}
	return attrs, true
}

// WithAttrs implements slog.Handler.
func (h fewRepeats) WithAttrs(attrs []slog.Attr) slog.Handler {
	return fewRepeats{h.Handler.WithAttrs(attrs), h.counts}
}

// WithGroup implements slog.Handler.
func (h fewRepeats) WithGroup(name string) slog.Handler {
	return fewRepeats{h.Handler.WithGroup(name), h.counts}
}
