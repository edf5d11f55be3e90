package infer

import (
	"time"

	"expertfs/infer/experts"
)

// Stats are counters since the engine was opened.
type Stats struct {
	Tokens  int           // run through the model
	Elapsed time.Duration // of all of Append

	// Substituted counts uses of an expert in RAM in place of one that the router
	// finds better; see Options.PreferResident.
	Substituted int64

	// Waited is the part of Elapsed in which nothing could be computed, for want of
	// an expert; Used counts experts once per layer and batch.
	experts.Stats
}

// Sub returns what was counted since the earlier state o.
func (s Stats) Sub(o Stats) Stats {
	return Stats{Tokens: s.Tokens - o.Tokens, Elapsed: s.Elapsed - o.Elapsed, Substituted: s.Substituted - o.Substituted, Stats: s.Stats.Sub(o.Stats)}
}
