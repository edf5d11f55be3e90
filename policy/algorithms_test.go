package policy_test

import (
	"slices"
	"testing"

	"expertfs"
	"expertfs/policy"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func made(t *testing.T, spec string, s expertfs.Shape) policy.Policy {
	t.Helper()
	p, err := policy.New(spec, s, 1)
	require.NoError(t, err)
	return p
}

func insert(p policy.Policy, ks ...expertfs.Key) {
	for _, k := range ks {
		p.Insert(k, expertBytes)
	}
}

func order(p policy.Policy) []expertfs.Key { return slices.Collect(p.Victims()) }

func TestLRUAndFIFO(t *testing.T) {
	for name, want := range map[string][]expertfs.Key{"lru": keys(0, 2, 3, 1), "fifo": keys(0, 1, 2, 3)} {
		p := made(t, name, small)
		insert(p, keys(0, 1, 2, 3)...)
		p.Touch(key(0, 1))
		assert.Equal(t, want, order(p), name)
	}
}

func TestRandomDependsOnTheSeedAlone(t *testing.T) {
	drawn := func(seed uint64) []expertfs.Key {
		p, err := policy.New("random", small, seed)
		require.NoError(t, err)
		insert(p, keys(0, 0, 1, 2, 3, 4, 5, 6, 7)...)
		return order(p)
	}
	assert.NotEqual(t, drawn(0), drawn(1))
	assert.NotEqual(t, drawn(1), drawn(2))
	assert.Equal(t, drawn(1), drawn(1))
}

func TestTTLEvictsTheExpiredAndElseTheNewest(t *testing.T) {
	p := made(t, "ttl", small) // a life of three steps
	for l := range 3 {
		step(p, l, keys(l, 0))
		insert(p, key(l, 0))
	}
	assert.Equal(t, []expertfs.Key{key(2, 0), key(1, 0), key(0, 0)}, order(p), "all alive")
	step(p, 0, keys(0, 1))
	step(p, 1, keys(1, 0))
	p.Touch(key(1, 0))
	assert.Equal(t, []expertfs.Key{key(0, 0), key(1, 0), key(2, 0)}, order(p), "the first has expired")
}

func TestLRULayerTakesFromTheFullestLayer(t *testing.T) {
	p := made(t, "lru-layer", small)
	insert(p, append(keys(0, 0, 1, 2), keys(1, 0, 1)...)...)
	step(p, 2, keys(2, 0))
	assert.Equal(t, key(0, 0), order(p)[0])
	p.Insert(key(1, 1), 5*expertBytes)
	assert.Equal(t, key(1, 0), order(p)[0], "the fullest in bytes")
}

func TestLFUForgets(t *testing.T) {
	p := made(t, "lfu:half=2", small)
	insert(p, keys(0, 1, 2)...)
	for range 3 {
		step(p, 0, keys(0, 1))
	}
	step(p, 0, keys(0, 2))
	assert.Equal(t, keys(0, 2, 1), order(p), "used once, used thrice")
	for range 20 * small.Layers {
		step(p, 1, nil)
	}
	step(p, 0, keys(0, 2))
	assert.Equal(t, keys(0, 1, 2), order(p), "three uses long ago")
}

// TestLFURescales runs long enough for the counts to be scaled down several
// times.
func TestLFURescales(t *testing.T) {
	p := made(t, "lfu:half=0.1", small)
	insert(p, keys(0, 1, 2)...)
	for i := range 1000 {
		step(p, 0, keys(0, 1+i%2))
		assert.Equal(t, key(0, 1+(i+1)%2), order(p)[0], "step %d", i)
	}
}

func TestPinWantsTheHottest(t *testing.T) {
	heat := policy.NewHeat(small)
	for l := range small.Layers {
		for range 10 {
			step(heat, l, keys(l, 1, 2+l))
		}
		step(heat, l, keys(l, 7))
	}
	p := made(t, "pin", small)
	p.(policy.Warmer).Warm(heat)
	wanted := p.(policy.Prewarmer).Wanted()
	assert.Len(t, wanted, small.Capacity())
	for l := range small.Layers {
		assert.Contains(t, wanted[:6], key(l, 1))
		assert.Contains(t, wanted[:6], key(l, 2+l))
		assert.Contains(t, wanted[6:9], key(l, 7))
	}
	p.Resize(2 * expertBytes)
	assert.Len(t, p.(policy.Prewarmer).Wanted(), 2)
}

func TestEWMAWeighsDistance(t *testing.T) {
	p := made(t, "ewma:gamma=1", small)
	insert(p, key(0, 0), key(1, 0), key(2, 0)) // all as likely
	step(p, 1, nil)                            // makes those of layer 1 less likely
	step(p, 0, nil)
	got := order(p)
	assert.Equal(t, key(0, 0), got[0], "its layer comes last")
	step(p, 2, nil)
	assert.Equal(t, key(2, 0), order(p)[0])
}

// alternate plays a layer in which one pair of experts follows another.
func alternate(p policy.Policy, times int) {
	for range times {
		step(p, 0, keys(0, 0, 1))
		step(p, 0, keys(0, 2, 3))
	}
}

func TestTransitionsAreLearned(t *testing.T) {
	for _, name := range []string{"markov", "forecast"} {
		p := made(t, name, small)
		insert(p, keys(0, 0, 1, 2, 3)...)
		alternate(p, 200)
		assert.ElementsMatch(t, keys(0, 2, 3), order(p)[:2], "%s: 0 and 1 come next", name)
		step(p, 0, keys(0, 0, 1))
		assert.ElementsMatch(t, keys(0, 0, 1), order(p)[:2], "%s: 2 and 3 come next", name)
		v := p.(policy.Valuer)
		assert.Greater(t, v.Value(key(0, 2)), v.Value(key(0, 0))+0.3, name)
	}
}

// TestTransitionsAreOfAStream: what one reader uses next does not follow from
// what another used last.
func TestTransitionsAreOfAStream(t *testing.T) {
	for _, name := range []string{"markov", "forecast"} {
		p := made(t, name, small)
		play := func(stream, i int) { // in turns, the one as the other but later
			first := 2 * (i % 2)
			p.Step(policy.Step{Stream: stream, Used: keys(0, first, first+1)})
		}
		for i := range 300 {
			play(0, i)
			play(1, i)
		}
		v := p.(policy.Valuer)
		assert.Greater(t, v.Value(key(0, 0)), v.Value(key(0, 2))+0.3, "%s: both use 0 and 1 next", name)
		play(0, 300)
		assert.Greater(t, min(v.Value(key(0, 0)), v.Value(key(0, 2))), 0.5, "%s: one uses each", name)
		if f, ok := p.(policy.Forecaster); ok {
			assert.Greater(t, f.Forecast(1, key(0, 0)), f.Forecast(0, key(0, 0))+0.3)
			assert.Greater(t, f.Forecast(0, key(0, 2)), f.Forecast(1, key(0, 2))+0.3)
			assert.Zero(t, f.Forecast(2, key(0, 0)), "a stream that has done nothing")
		}
	}
}

// TestTokensAreOfEachStream: as many steps are half as many tokens where two
// readers make them.
func TestTokensAreOfEachStream(t *testing.T) {
	steps := func(p policy.Policy, n, streams int) {
		for i := range n {
			p.Step(policy.Step{Stream: i % streams, Layer: i / streams % small.Layers})
		}
	}
	for streams, want := range map[int][]expertfs.Key{1: keys(0, 1, 2), 2: keys(0, 2, 1)} {
		p := made(t, "ttl:tokens=1.5", small)
		insert(p, key(0, 1))
		steps(p, 6, streams)
		insert(p, key(0, 2))
		assert.Equal(t, want, order(p), "ttl: 1 has lived for 6 steps of %d streams", streams)

		p = made(t, "lfu:half=2", small)
		insert(p, keys(0, 1, 2)...)
		for range 3 {
			step(p, 0, keys(0, 1))
		}
		steps(p, 15, streams)
		step(p, 0, keys(0, 2))
		assert.Equal(t, want, order(p), "lfu: 1 was used thrice, 15 steps of %d streams ago", streams)
	}
}

// TestForecastUsesTheTokenSoFar: the choice of layer 0 decides that of layer
// 2, and is random itself.
func TestForecastUsesTheTokenSoFar(t *testing.T) {
	p := made(t, "forecast", small)
	for i := range 2000 {
		first := (i * i / 7) % 2 // no simple period
		step(p, 0, keys(0, first, 5))
		step(p, 1, keys(1, 5, 6))
		if i > 1900 {
			v := p.(policy.Valuer)
			assert.Greater(t, v.Value(key(2, first)), v.Value(key(2, 1-first)))
		}
		step(p, 2, keys(2, first, 5))
	}
}

// TestForecastBearsAReaderOfFewLayers: visits of one layer, however many, must
// not drown what is known of the others.
func TestForecastBearsAReaderOfFewLayers(t *testing.T) {
	p := made(t, "forecast", small)
	for i := range 500 {
		e := (i * i / 7) % 2
		for l := range small.Layers {
			step(p, l, keys(l, e, 5))
		}
	}
	v := p.(policy.Valuer)
	step(p, 1, keys(1, 0, 5))
	before := v.Value(key(0, 1))
	for range 5000 {
		step(p, 1, keys(1, 0, 5))
	}
	assert.InDelta(t, before, v.Value(key(0, 1)), 0.05)
}

func TestLargeResidentsAreDearer(t *testing.T) {
	for _, name := range []string{"ewma", "markov", "lfu", "pin", "watermark", "forecast"} {
		p := made(t, name, small)
		p.Insert(key(0, 1), expertBytes)
		p.Insert(key(0, 2), 4*expertBytes)
		for range 10 {
			step(p, 0, keys(0, 1, 2))
		}
		assert.Equal(t, keys(0, 2, 1), order(p), "%s: the same use, four times the bytes", name)
	}
}

// TestWatermarkHasHysteresis: what is given up goes first even when its value has
// become the higher one, until that is above the price by the margin.
func TestWatermarkHasHysteresis(t *testing.T) {
	const patience = 300
	// steps uses expert 1, and then 2 until that is the dearer one.
	steps := func(spec string) (n int) {
		p := made(t, spec, small)
		insert(p, keys(0, 1, 2)...)
		for range 100 {
			step(p, 0, keys(0, 1))
		}
		assert.Equal(t, keys(0, 2, 1), order(p), spec)
		for n < patience && order(p)[0] == key(0, 2) {
			step(p, 0, keys(0, 2))
			n++
		}
		return n
	}
	byValue := steps("watermark:eta=0") // the price stays 0: nothing is given up
	atOnce := steps("watermark:eta=1,target=0.01,margin=0")
	assert.Less(t, byValue, patience)
	assert.Greater(t, atOnce, byValue)
	assert.Less(t, atOnce, patience)
	assert.Equal(t, patience, steps("watermark:eta=1,target=0.01,margin=0.9"))
}

func TestS3FIFOKeepsWhatIsUsedAgain(t *testing.T) {
	p := made(t, "s3fifo", small)
	insert(p, keys(0, 0, 1, 2, 3)...)
	p.Touch(key(0, 0))
	assert.Equal(t, key(0, 1), order(p)[0], "0 moved to the main queue")
	p.Remove(key(0, 1))
	insert(p, key(0, 1)) // remembered: into the main queue
	assert.Equal(t, keys(0, 2, 3, 0, 1), order(p))
}

func TestARCAdapts(t *testing.T) {
	p := made(t, "arc", small)
	insert(p, keys(0, 0, 1, 2, 3)...)
	p.Touch(key(0, 0))
	p.Touch(key(0, 1))
	assert.Equal(t, keys(0, 2, 3, 0, 1), order(p), "those used once go first")
	p.Remove(key(0, 2))
	insert(p, key(0, 2)) // its ghost tells that the first list is too short
	p.Remove(key(0, 3))
	insert(p, key(0, 3))
	insert(p, key(0, 4))
	assert.Equal(t, keys(0, 0, 1, 2, 3, 4), order(p), "now those used often, oldest first")
}

// TestForecastsAreGivenWhenLearned follows a layer that uses the same experts
// all the time.
func TestForecastsAreGivenWhenLearned(t *testing.T) {
	p, err := policy.New("forecast", expertfs.Shape{Layers: 2, Experts: 8, TopK: 2, ExpertBytes: 1, Budget: 4}, 1)
	require.NoError(t, err)
	f, used := p.(policy.Forecaster), expertfs.Key{Expert: 3}
	for range 16 { // as many forecasts are judged first
		step(p, 0, []expertfs.Key{used, {Expert: 4}})
		require.Zero(t, f.Forecast(0, used))
	}
	for range 50 {
		step(p, 0, []expertfs.Key{used, {Expert: 4}})
	}
	require.Greater(t, f.Forecast(0, used), 0.8)
	require.Less(t, f.Forecast(0, expertfs.Key{Expert: 5}), 0.2)
	require.Zero(t, f.Forecast(0, expertfs.Key{Layer: 1, Expert: 3}), "a layer never visited")
	require.Zero(t, f.Forecast(0, expertfs.Key{Layer: 9, Expert: 9}), "no such expert")
}
