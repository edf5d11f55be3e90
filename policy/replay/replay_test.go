package replay_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/xml"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"expertfs"
	"expertfs/checkpoint/checkpointtest/reference"
	"expertfs/policy"
	"expertfs/policy/replay"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var shape = expertfs.Shape{Layers: 3, Experts: 8, TopK: 2, ExpertBytes: 10}

func step(token int64, layer int, experts ...int) expertfs.TraceStep {
	s := expertfs.TraceStep{Token: token, Layer: layer}
	for _, e := range experts {
		s.Used = append(s.Used, expertfs.Key{Layer: uint16(layer), Expert: uint16(e)})
	}
	return s
}

// routing is random, with some experts used more than others.
func routing(tokens int, seed uint64) []expertfs.TraceStep {
	rng := rand.New(rand.NewPCG(seed, 2))
	var steps []expertfs.TraceStep
	for t := range tokens {
		for l := range shape.Layers {
			a := min(rng.IntN(8), rng.IntN(8))
			steps = append(steps, step(int64(t), l, a, (a+1+rng.IntN(7))%8))
		}
	}
	return steps
}

func recording(t *testing.T, steps []expertfs.TraceStep) *replay.Recording {
	s, err := replay.NewRecording(shape, steps)
	require.NoError(t, err)
	return s
}

func TestLRUByHand(t *testing.T) {
	s := recording(t, []expertfs.TraceStep{
		step(0, 0, 1, 2), // both missed
		step(1, 0, 2, 3), // 2 hit, 3 evicts 1
		step(2, 0, 1, 3), // 1 missed, evicts 2; 3 hit
	})
	hits, err := s.Run("lru", 20, 1)
	require.NoError(t, err)
	assert.EqualValues(t, 2, hits)
	assert.EqualValues(t, 3, s.Tokens)
	assert.EqualValues(t, 6, s.Accesses)
}

// TestLRUMissesAllBelowATokensCycle is the cliff that makes LRU a poor choice.
func TestLRUMissesAllBelowATokensCycle(t *testing.T) {
	var steps []expertfs.TraceStep
	for token := range int64(50) {
		for l := range shape.Layers {
			steps = append(steps, step(token, l, 1, 2))
		}
	}
	s := recording(t, steps)
	for budget, want := range map[int64]int64{40: 0, 60: s.Accesses - 6} {
		hits, err := s.Run("lru", budget, 1)
		require.NoError(t, err)
		assert.Equal(t, want, hits)
	}
	hits, err := s.Run("forecast", 40, 1)
	require.NoError(t, err)
	assert.Greater(t, hits, s.Accesses*4/10)
}

// TestBeladyIsTheBest compares with every policy, and with the best choice
// found by trying all on a small case.
func TestBeladyIsTheBest(t *testing.T) {
	s := recording(t, routing(100, 1))
	for _, budget := range []int64{0, 20, 60, 120, 240} {
		best, err := s.Run(replay.Belady, budget, 1)
		require.NoError(t, err)
		for _, name := range policy.Names() {
			hits, err := s.Run(name, budget, 1)
			require.NoError(t, err)
			assert.LessOrEqual(t, hits, best, "%s at %d", name, budget)
		}
	}
	for seed := range uint64(20) {
		steps := routing(2, seed)
		var ids []expertfs.Key
		for _, s := range steps {
			ids = append(ids, s.Used...)
		}
		hits, err := recording(t, steps).Run(replay.Belady, 30, 1)
		require.NoError(t, err)
		assert.EqualValues(t, tryAll(ids, map[expertfs.Key]bool{}, 3), hits)
	}
}

// tryAll is the most hits that any choice of victims gives.
func tryAll(ids []expertfs.Key, resident map[expertfs.Key]bool, room int) int {
	if len(ids) == 0 {
		return 0
	}
	k, rest := ids[0], ids[1:]
	if resident[k] {
		return 1 + tryAll(rest, resident, room)
	}
	with := func(victim expertfs.Key, evict bool) int {
		next := map[expertfs.Key]bool{k: true}
		for r := range resident {
			if !evict || r != victim {
				next[r] = true
			}
		}
		return tryAll(rest, next, room)
	}
	if len(resident) < room {
		return with(k, false)
	}
	best := 0
	for victim := range resident {
		best = max(best, with(victim, true))
	}
	return best
}

func TestTable(t *testing.T) {
	s := recording(t, routing(200, 3))
	table, err := s.Table(t.Context(), []string{"lru", "ewma:alpha=0.1", replay.Belady}, []int64{60, 240}, 1000, 1)
	require.NoError(t, err)
	require.Len(t, table, 6)
	for _, r := range table {
		assert.InDelta(t, float64(r.RAMBytes)/240, r.RAMFraction, 1e-12)
		assert.InDelta(t, float64(r.Hits)/1200, r.HitRate, 1e-12)
		assert.InDelta(t, float64(1200-r.Hits)/200, r.MissesPerToken, 1e-12)
		assert.InDelta(t, r.MissesPerToken*10, r.MissBytesPerToken, 1e-9)
		assert.InDelta(t, r.MissBytesPerToken/1000, r.SecondsPerToken, 1e-12)
		assert.LessOrEqual(t, r.BeladyShare, 1.0)
	}
	assert.Equal(t, "lru", table[0].Policy)
	assert.EqualValues(t, 240, table[1].RAMBytes)
	assert.Equal(t, 1.0, table[5].BeladyShare)
	assert.Equal(t, table[5].Hits, table[1].Hits, "with all in RAM only first uses miss")

	_, err = s.Table(t.Context(), []string{"clock"}, []int64{60}, 0, 1)
	assert.ErrorContains(t, err, "clock")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.Table(cancelled, []string{"lru"}, []int64{60}, 0, 1)
	assert.ErrorIs(t, err, context.Canceled)
}

func TestRAMFor(t *testing.T) {
	s := recording(t, routing(300, 4))
	for _, rate := range []float64{0.2, 0.5, 0.9} {
		runs := 0
		budget, ok, err := s.RAMFor(t.Context(), "lru", rate, 1, func() { runs++ })
		require.NoError(t, err)
		require.LessOrEqual(t, runs, s.MaxRuns())
		require.True(t, ok)
		enough, err := s.Run("lru", budget, 1)
		require.NoError(t, err)
		less, err := s.Run("lru", budget-shape.ExpertBytes, 1)
		require.NoError(t, err)
		assert.GreaterOrEqual(t, float64(enough), rate*float64(s.Accesses))
		assert.Less(t, float64(less), rate*float64(s.Accesses))
	}
	_, ok, err := s.RAMFor(t.Context(), "lru", 1, 1, func() {})
	require.NoError(t, err)
	assert.False(t, ok, "first uses are misses")
}

// TestStreamsOfARecording: what one reader is in the middle of is not evicted for
// the step of another, until it has gone.
func TestStreamsOfARecording(t *testing.T) {
	of := func(stream int, s expertfs.TraceStep) expertfs.TraceStep {
		s.Stream = stream
		return s
	}
	run := func(steps ...expertfs.TraceStep) (hits int64, s *replay.Recording) {
		s = recording(t, steps)
		hits, err := s.Run("lru", 30, 1)
		require.NoError(t, err)
		return hits, s
	}
	first, second, third, again := step(0, 0, 1, 2), step(1, 1, 1), step(1, 2, 1), step(2, 0, 1, 2)
	hits, _ := run(first, second, third, again)
	assert.EqualValues(t, 1, hits, "of one reader the first expert is the oldest")
	hits, s := run(first, of(1, second), of(1, third), again)
	assert.EqualValues(t, 2, hits, "both are in use still")
	assert.EqualValues(t, 3, s.Tokens)
	hits, s = run(first, expertfs.TraceStep{End: true}, of(1, second), of(1, third), again)
	assert.EqualValues(t, 1, hits, "nobody uses them any more")
	assert.EqualValues(t, 6, s.Accesses)
}

// TestStepsFoundInOpensCostLittle: the order of Step and accesses differs, the
// policy must not.
func TestStepsFoundInOpensCostLittle(t *testing.T) {
	announced := routing(400, 5)
	opened := make([]expertfs.TraceStep, len(announced))
	for i, s := range announced {
		s.Opened = true
		opened[i] = s
	}
	for _, name := range policy.Names() {
		a, err := recording(t, announced).Run(name, 120, 1)
		require.NoError(t, err)
		b, err := recording(t, opened).Run(name, 120, 1)
		require.NoError(t, err)
		assert.InDelta(t, a, b, 0.04*2400, name)
	}
}

func TestStreamsOfOtherModelsAreRefused(t *testing.T) {
	for _, s := range []expertfs.TraceStep{step(0, 3, 1), step(0, 0, 8)} {
		_, err := replay.NewRecording(shape, []expertfs.TraceStep{s})
		assert.ErrorContains(t, err, "is not of a model of 3 x 8 experts")
	}
}

// TestAbsurdShapesAreRefused: the comment of a trace can say anything.
func TestAbsurdShapesAreRefused(t *testing.T) {
	for want, s := range map[string]expertfs.Shape{
		"out of range":        {Layers: expertfs.MaxIndex, Experts: expertfs.MaxIndex, ExpertBytes: 1},
		"0 layers":            {Experts: 1, ExpertBytes: 1},
		"0 bytes":             {Layers: 1, Experts: 1},
		"1099511627777 bytes": {Layers: 1, Experts: 1, ExpertBytes: replay.MaxExpertBytes + 1},
	} {
		_, err := replay.NewRecording(s, nil)
		assert.ErrorContains(t, err, want)
	}
}

func TestPrint(t *testing.T) {
	s := recording(t, routing(50, 6))
	table, err := s.Table(t.Context(), []string{"lru", policy.Default, replay.Belady}, replay.CurveBudgets(s.Total()), 1e6, 1)
	require.NoError(t, err)

	var text bytes.Buffer
	require.NoError(t, replay.WriteTable(&text, table))
	assert.Equal(t, len(table)+1, strings.Count(text.String(), "\n"))
	assert.Contains(t, text.String(), "100.0%")

	text.Reset()
	require.NoError(t, replay.WriteCSV(&text, table))
	rows, err := csv.NewReader(&text).ReadAll()
	require.NoError(t, err)
	assert.Len(t, rows, len(table)+1)
	assert.Equal(t, "ram_fraction", rows[0][1])

	text.Reset()
	require.NoError(t, replay.WriteSVG(&text, table))
	picture := text.String()
	assert.Contains(t, picture, policy.Default+" (default)")
	assert.Contains(t, picture, "optimum (Belady)")
	for d := xml.NewDecoder(&text); ; {
		_, err := d.Token()
		if err == io.EOF {
			break
		}
		require.NoError(t, err, "it must be well-formed")
	}
}

// merged takes the steps of all streams for those of one.
func merged(steps []expertfs.TraceStep) (all []expertfs.TraceStep) {
	for _, s := range steps {
		if !s.End {
			s.Stream = 0
			all = append(all, s)
		}
	}
	return all
}

// TestStreamsToldApartHitMore: of readers each of which repeats itself, policies
// that predict from the last choice know more of each than of all together.
func TestStreamsToldApartHitMore(t *testing.T) {
	var readers [][]expertfs.TraceStep
	for seed := range uint64(3) {
		rng := rand.New(rand.NewPCG(seed, 7))
		at := rng.IntN(8)
		var steps []expertfs.TraceStep
		for token := range int64(400) {
			if rng.IntN(8) == 0 {
				at = rng.IntN(8)
			}
			for l := range shape.Layers {
				steps = append(steps, step(token, l, at, (at+3)%8))
			}
			at = (at + 1) % 8 // what comes next follows, but not for the others
		}
		readers = append(readers, steps)
	}
	apart := replay.Interleave(readers, 3)
	for _, name := range []string{"forecast", "markov"} {
		hits, err := recording(t, apart).Run(name, 120, 1)
		require.NoError(t, err)
		together, err := recording(t, merged(apart)).Run(name, 120, 1)
		require.NoError(t, err)
		assert.Greater(t, hits, together*101/100, name)
	}
}

// ofTheRealModel makes a recording, in which an expert has one byte.
func ofTheRealModel(t *testing.T, steps []expertfs.TraceStep) *replay.Recording {
	s, err := replay.NewRecording(expertfs.Shape{Layers: 24, Experts: 32, TopK: 4, ExpertBytes: 1}, steps)
	require.NoError(t, err)
	return s
}

// rate is what a policy hits with room for some experts.
func rate(t *testing.T, r *replay.Recording, name string, experts int64) float64 {
	hits, err := r.Run(name, experts*r.Shape.ExpertBytes, 1)
	require.NoError(t, err)
	return float64(hits) / float64(r.Accesses)
}

// TestDefaultForSeveralReaders holds the default to what it promises for readers
// that share a cache: far above LRU, above what else predicts, and above itself
// where their steps are taken for those of one reader.
func TestDefaultForSeveralReaders(t *testing.T) {
	if raceEnabled || testing.Short() {
		t.Skip("it takes half a minute, and has no concurrency")
	}
	var prompts [][]expertfs.TraceStep
	for _, file := range reference.Recordings(t, "0[0-3].csv.gz") {
		steps, _, err := expertfs.LoadTraces(file)
		require.NoError(t, err)
		prompts = append(prompts, steps[:200*24])
	}
	const quarter, half = 192, 384 // of the experts
	for readers, least := range map[int]map[int64]float64{2: {quarter: 0.05, half: 0.03}, 4: {quarter: 0.2, half: 0.06}} {
		r := ofTheRealModel(t, replay.Interleave(prompts, readers))
		for experts, margin := range least {
			apart := rate(t, r, policy.Default, experts)
			assert.Greater(t, apart, margin+rate(t, r, "lru", experts), "%d readers, %d experts", readers, experts)
			assert.Greater(t, apart, rate(t, r, "markov", experts), "%d readers, %d experts", readers, experts)
			if experts == quarter {
				together := rate(t, ofTheRealModel(t, merged(r.Steps)), policy.Default, experts)
				assert.Greater(t, apart, 0.015+together, "%d readers", readers)
			}
		}
	}
}

// TestDefaultOnTheRealModel holds the default to what it promises on routing
// of gpt-oss-20b: far above LRU and every other policy where RAM is short, and
// not below where it is not. It plays a part of the recordings, from which the
// default has learned most of what it learns of all.
func TestDefaultOnTheRealModel(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes it ten times as slow, and it has no concurrency")
	}
	pattern := "0[01].csv.gz"
	if testing.Short() {
		pattern = "00.csv.gz"
	}
	steps, _, err := expertfs.LoadTraces(reference.Recordings(t, pattern)...)
	require.NoError(t, err)
	s := ofTheRealModel(t, steps)
	for experts, least := range map[int64]map[string]float64{ // in hit rate
		48:  {"lru": 0.25, "lru-layer": 0.05, "markov": 0, "ewma": 0},
		192: {"lru": 0.07, "lru-layer": 0.04, "markov": 0, "ewma": 0},
		576: {"lru": -0.001, "lru-layer": 0, "markov": -0.001, "ewma": -0.001},
	} {
		hits := rate(t, s, policy.Default, experts)
		for name, margin := range least {
			assert.Greater(t, hits, margin+rate(t, s, name, experts), "%s at %d experts", name, experts)
		}
	}
}
