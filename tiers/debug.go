package tiers

import (
	"context"
	"log/slog"
	"time"
)

// debugLog logs uses, loads and evictions for whoever looks for a fault: of each
// kind some in a second, and with the next one how many were left out. Readers
// use thousands a second.
type debugLog struct {
	log   *slog.Logger
	now   func() time.Time
	kinds map[eventKind]*debugKind
}

type debugKind struct {
	since time.Time
	told  int // since then
	left  int // out, since the last that was told
}

// debugEach is how many events of a kind are told in a second.
const debugEach = 20

// newDebugLog returns nil where such lines would not be logged.
func newDebugLog(log *slog.Logger) *debugLog {
	if log == nil || !log.Enabled(context.Background(), slog.LevelDebug) {
		return nil
	}
	return &debugLog{log, time.Now, map[eventKind]*debugKind{}}
}

// pass tells of an event, unless there were many of its kind.
func (d *debugLog) pass(e event) {
	var what string
	args := []any{"expert", e.key.String()}
	switch e.kind {
	case used, joining:
		what = "used"
		args = append(args, "stream", e.stream, "as", e.how.String())
	case loaded:
		what = "loaded"
		args = append(args, "took", e.took)
	case evicted:
		what = "evicted"
	default:
		return
	}
	k := d.kinds[e.kind]
	if k == nil {
		k = &debugKind{}
		d.kinds[e.kind] = k
	}
	if now := d.now(); now.Sub(k.since) >= time.Second {
		k.since, k.told = now, 0
	}
	if k.told >= debugEach {
		k.left++
		return
	}
	k.told++
	if k.left > 0 {
		args = append(args, "left_out", k.left)
		k.left = 0
	}
	d.log.Debug(what, args...)
}

// String names a use in the log.
func (a access) String() string { return [...]string{hit: "hit", miss: "miss", joined: "join"}[a] }
