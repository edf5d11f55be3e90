package logs

import (
	"context"
	"io"
	"log/slog"
)

// priorities is a handler that writes each level to a writer of its own, without the
// time and the level.
type priorities struct {
	level   slog.Level
	byLevel []slog.Handler // debug, info, warn, error
}

var levels = []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}

func newPriorities(level slog.Level, to func(slog.Level) io.Writer) priorities {
	p := priorities{level: level}
	bare := func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
			return slog.Attr{}
		}
		return a
	}
	for _, l := range levels {
		p.byLevel = append(p.byLevel, slog.NewTextHandler(to(l), &slog.HandlerOptions{Level: level, ReplaceAttr: bare}))
	}
	return p
}

// Enabled implements slog.Handler.
func (p priorities) Enabled(_ context.Context, l slog.Level) bool { return l >= p.level }

// Handle implements slog.Handler.
func (p priorities) Handle(ctx context.Context, r slog.Record) error {
	i := 0
	for i+1 < len(levels) && r.Level >= levels[i+1] {
		i++
	}
	return p.byLevel[i].Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (p priorities) WithAttrs(attrs []slog.Attr) slog.Handler {
	return p.with(func(h slog.Handler) slog.Handler { return h.WithAttrs(attrs) })
}

// WithGroup implements slog.Handler.
func (p priorities) WithGroup(name string) slog.Handler {
	return p.with(func(h slog.Handler) slog.Handler { return h.WithGroup(name) })
}

func (p priorities) with(change func(slog.Handler) slog.Handler) slog.Handler {
	changed := priorities{level: p.level}
	for _, h := range p.byLevel {
		changed.byLevel = append(changed.byLevel, change(h))
	}
	return changed
}
