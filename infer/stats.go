package infer

import (
	"time"

	"expertfs/infer/experts"
)

// Stats are counters since the engine was opened.
type Stats struct {
	Tokens  int           // run through the model
	Elapsed time.Duration // of all of Append

	// Waited is the part of Elapsed in which nothing could be computed, for want of
	// an expert; Used counts experts once per layer and batch.
	experts.Stats
}

// Sub returns what was counted since the earlier state o.
func (s Stats) Sub(o Stats) Stats {
	return Stats{Tokens: s.Tokens - o.Tokens, Elapsed: s.Elapsed - o.Elapsed, Stats: s.Stats.Sub(o.Stats)}
}
