package fsys

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// debugLines is how many lines about requests the log takes in a second. A program that
// walks the tree makes some ten thousand, and the disk is not to fill.
const debugLines = 200

// sampled is a handler that leaves out what is more than debugLines in a second, and
// says so.
type sampled struct {
	slog.Handler
	count *sampleCount
}

type sampleCount struct {
	mu      sync.Mutex
	second  time.Time
	lines   int
	leftOut int
}

func newSampled(h slog.Handler) sampled { return sampled{h, new(sampleCount)} }

// Handle implements slog.Handler.
func (s sampled) Handle(ctx context.Context, r slog.Record) error {
	pass, leftOut := s.count.take(r.Time)
	if leftOut > 0 {
		note := slog.NewRecord(r.Time, r.Level, fmt.Sprintf("%d lines about requests were left out", leftOut), 0)
		if err := s.Handler.Handle(ctx, note); err != nil {
			return err
		}
	}
	if !pass {
		return nil
	}
	return s.Handler.Handle(ctx, r)
}

// take counts a line. It tells whether the line is logged, and how many were not in the
// second that has ended.
func (c *sampleCount) take(now time.Time) (pass bool, leftOut int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.second) >= time.Second {
		leftOut = c.leftOut
		c.second, c.lines, c.leftOut = now, 0, 0
	}
	c.lines++
	if c.lines > debugLines {
		c.leftOut++
	}
	return c.lines <= debugLines, leftOut
}
