package replay

import (
	"context"
	"fmt"
	"math/bits"
	"runtime"

	"expertfs"
	"expertfs/policy"
	"expertfs/policy/sim"

	"golang.org/x/sync/errgroup"
)

// Belady is the name of the offline optimum among policy names.
const Belady = "belady"

// Recording is routing to be replayed, as often as wanted and by several
// goroutines at once.
type Recording struct {
	Shape    expertfs.Shape // the Budget is set for each run
	Steps    []expertfs.TraceStep
	Tokens   int64
	Accesses int64
}

// MaxExpertBytes is the size of the largest expert. All experts of a Shape within its
// limits then have a sum.
const MaxExpertBytes = 1 << 40

// NewRecording makes a recording of steps. The shape may come from a trace, and so
// is checked: its limits, and that every key is within it.
func NewRecording(s expertfs.Shape, steps []expertfs.TraceStep) (*Recording, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	if s.ExpertBytes < 1 || s.ExpertBytes > MaxExpertBytes {
		return nil, fmt.Errorf("experts of %d bytes, expected 1 to %d", s.ExpertBytes, int64(MaxExpertBytes))
	}
	r := &Recording{Shape: s, Steps: steps}
	tokens := map[int]int64{} // the present one of each stream
	for _, step := range steps {
		if step.End {
			delete(tokens, step.Stream)
			continue
		}
		for _, k := range step.Used {
			if !s.Contains(k) {
				return nil, fmt.Errorf("%v is not of a model of %d x %d experts", k, s.Layers, s.Experts)
			}
		}
		r.Accesses += int64(len(step.Used))
		if at, known := tokens[step.Stream]; !known || at != step.Token {
			tokens[step.Stream] = step.Token
			r.Tokens++
		}
	}
	return r, nil
}

// Total is the bytes of all experts.
func (r *Recording) Total() int64 {
	return int64(r.Shape.Layers) * int64(r.Shape.Experts) * r.Shape.ExpertBytes
}

// Run replays the recording through one policy, from an empty RAM, and returns
// the number of hits. The spec may be Belady.
func (r *Recording) Run(spec string, budget int64, seed uint64) (hits int64, err error) {
	shape := r.Shape
	shape.Budget = budget
	if spec == Belady {
		return r.belady(shape.Capacity()), nil
	}
	c, err := sim.New(spec, shape, seed)
	if err != nil {
		return 0, err
	}
	Play(r.Steps, c)
	return c.Uses().Hits, nil
}

// Play lets caches take part in a recording, all in the same way as a live
// cache does: announced steps come before their accesses, found ones after. The
// accesses of a step come together, also where those of another stream came
// between them.
func Play(steps []expertfs.TraceStep, caches ...*sim.Cache) {
	var streams policy.Streams
	emit := func(s policy.Step) {
		for _, c := range caches {
			c.Step(s)
		}
	}
	flush := func(stream int) {
		if ended, ok := streams.Of(stream).Flush(); ok {
			emit(ended)
		}
	}
	for _, step := range steps {
		if step.End {
			flush(step.Stream)
			streams.Drop(step.Stream)
			for _, c := range caches {
				c.EndStream(step.Stream)
			}
			continue
		}
		grouping := streams.Of(step.Stream)
		if !step.Opened {
			if ended, ok := grouping.Announce(step.Layer, step.Used); ok {
				emit(ended)
			}
			emit(policy.Step{Stream: step.Stream, Layer: step.Layer, Used: step.Used})
		}
		for _, k := range step.Used {
			if ended, ok := grouping.Access(k); ok {
				emit(ended)
			}
			for _, c := range caches {
				c.Access(step.Stream, k, &streams)
			}
		}
	}
	for stream := range policy.MaxStreams {
		flush(stream)
	}
}

// Result is what one policy reached with one budget.
type Result struct {
	Policy            string  `json:"policy"`
	RAMFraction       float64 `json:"ram_fraction"` // of the bytes of all experts
	RAMBytes          int64   `json:"ram_bytes"`
	HitRate           float64 `json:"hit_rate"`     // of the accesses, 0 to 1
	BeladyShare       float64 `json:"belady_share"` // hits per hit of the offline optimum
	Tokens            int64   `json:"tokens"`
	Accesses          int64   `json:"accesses"`
	Hits              int64   `json:"hits"`
	MissesPerToken    float64 `json:"misses_per_token"`
	MissBytesPerToken float64 `json:"miss_bytes_per_token"`
	// SecondsPerToken is the time to read the misses, if a bandwidth is known.
	SecondsPerToken float64 `json:"miss_seconds_per_token,omitempty"`
}

// Table runs every spec at every budget, as many at a time as there are
// processors, and returns the results by spec, then budget. A bandwidth in
// bytes per second, if positive, turns misses into time.
func (r *Recording) Table(ctx context.Context, specs []string, budgets []int64, bandwidth float64, seed uint64) ([]Result, error) {
	hits := make([][]int64, len(specs)+1) // the last row is Belady's
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, spec := range append(append([]string(nil), specs...), Belady) {
		hits[i] = make([]int64, len(budgets))
		for j, budget := range budgets {
			group.Go(func() (err error) {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				hits[i][j], err = r.Run(spec, budget, seed)
				return err
			})
		}
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var table []Result
	for i, spec := range specs {
		for j, budget := range budgets {
			table = append(table, r.result(spec, budget, hits[i][j], hits[len(specs)][j], bandwidth))
		}
	}
	return table, nil
}

func (r *Recording) result(spec string, budget, hits, belady int64, bandwidth float64) Result {
	out := Result{
		Policy:      spec,
		RAMFraction: float64(budget) / float64(r.Total()),
		RAMBytes:    budget,
		Tokens:      r.Tokens,
		Accesses:    r.Accesses,
		Hits:        hits,
		HitRate:     r.uses(hits).HitRate(),
		BeladyShare: 1,
	}
	if belady > 0 {
		out.BeladyShare = ratio(hits, belady)
	}
	out.MissesPerToken = ratio(r.Accesses-hits, r.Tokens)
	out.MissBytesPerToken = out.MissesPerToken * float64(r.Shape.ExpertBytes)
	if bandwidth > 0 {
		out.SecondsPerToken = out.MissBytesPerToken / bandwidth
	}
	return out
}

// uses are those of a run with so many hits.
func (r *Recording) uses(hits int64) expertfs.Uses {
	return expertfs.Uses{Hits: hits, Misses: r.Accesses - hits}
}

func ratio(a, b int64) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// MaxRuns is how many replays RAMFor takes at most: one with all experts in RAM,
// and those of the bisection.
func (r *Recording) MaxRuns() int { return 1 + bits.Len(uint(r.Shape.Layers*r.Shape.Experts)) }

// RAMFor finds the smallest budget, in whole experts, with which a policy
// reaches a hit rate. ok is false where even all experts in RAM do not, as
// the first use of each is a miss. It bisects: more RAM is taken to be no
// worse. It calls ran after each replay, MaxRuns times at most.
func (r *Recording) RAMFor(ctx context.Context, spec string, rate float64, seed uint64, ran func()) (budget int64, ok bool, err error) {
	enough := func(experts int) (bool, error) {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		hits, err := r.Run(spec, int64(experts)*r.Shape.ExpertBytes, seed)
		ran()
		return r.uses(hits).HitRate() >= rate, err
	}
	low, high := 0, r.Shape.Layers*r.Shape.Experts // low is too little, high enough
	if ok, err := enough(high); !ok || err != nil {
		return 0, false, err
	}
	for high-low > 1 {
		middle := (low + high) / 2
		ok, err := enough(middle)
		if err != nil {
			return 0, false, err
		}
		if ok {
			high = middle
		} else {
			low = middle
		}
	}
	return int64(high) * r.Shape.ExpertBytes, true, nil
}
