package policy_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"expertfs"
	"expertfs/policy"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const expertBytes = 1000

var small = expertfs.Shape{Layers: 3, Experts: 8, TopK: 2, ExpertBytes: expertBytes, Budget: 12 * expertBytes}

func key(layer, expert int) expertfs.Key {
	return expertfs.Key{Layer: uint16(layer), Expert: uint16(expert)}
}

func keys(layer int, experts ...int) []expertfs.Key {
	var ks []expertfs.Key
	for _, e := range experts {
		ks = append(ks, key(layer, e))
	}
	return ks
}

// stepper is a Policy or a Heat.
type stepper interface{ Step(policy.Step) }

// step gives a step of stream 0.
func step(p stepper, layer int, used []expertfs.Key) { p.Step(policy.Step{Layer: layer, Used: used}) }

// forEach runs a test with every policy.
func forEach(t *testing.T, test func(t *testing.T, make func(expertfs.Shape) policy.Policy)) {
	for _, name := range policy.Names() {
		t.Run(name, func(t *testing.T) {
			test(t, func(s expertfs.Shape) policy.Policy {
				p, err := policy.New(name, s, 7)
				require.NoError(t, err)
				return p
			})
		})
	}
}

func first(p policy.Policy) (expertfs.Key, bool) {
	for k := range p.Victims() {
		return k, true
	}
	return expertfs.Key{}, false
}

// endStream ends a stream where the policy keeps something for each.
func endStream(p policy.Policy, stream int) {
	if p, ok := p.(policy.StreamEnder); ok {
		p.EndStream(stream)
	}
}

// run plays random routing of one stream with a little locality, as a cache of
// n experts would, and returns the victims in order.
func run(p policy.Policy, s expertfs.Shape, n, steps int, seed uint64) (victims []expertfs.Key) {
	return runStreams(p, s, n, steps, seed, 1, func(stream int) int { return stream })
}

// runStreams plays several streams, at random paces. Now and then one ends, and
// a new one begins, which gets its number from name: all numbers that are not
// in use do.
func runStreams(p policy.Policy, s expertfs.Shape, n, steps int, seed uint64, streams int, name func(int) int) (victims []expertfs.Key) {
	rng := rand.New(rand.NewPCG(seed, 1))
	resident := map[expertfs.Key]bool{}
	at := make([]int, streams)
	number := make([]int, streams)
	for i := range number {
		number[i] = name(i)
	}
	for range steps {
		i := rng.IntN(streams)
		if streams > 1 && rng.IntN(100) == 0 {
			endStream(p, number[i])
			number[i] = name(i)
		}
		layer := at[i] % s.Layers
		at[i]++
		var used []expertfs.Key
		for len(used) < s.TopK {
			if k := key(layer, min(rng.IntN(s.Experts), rng.IntN(s.Experts))); !slices.Contains(used, k) {
				used = append(used, k)
			}
		}
		p.Step(policy.Step{Stream: number[i], Layer: layer, Used: used})
		for _, k := range used {
			if resident[k] {
				p.Touch(k)
				continue
			}
			if len(resident) == n {
				v, _ := first(p)
				victims = append(victims, v)
				delete(resident, v)
				p.Remove(v)
			}
			resident[k] = true
			p.Insert(k, s.ExpertBytes)
		}
	}
	return victims
}

func TestEveryResidentIsOfferedOnceAndNoOther(t *testing.T) {
	forEach(t, func(t *testing.T, make func(expertfs.Shape) policy.Policy) {
		p := make(small)
		assert.Empty(t, slices.Collect(p.Victims()), "of none")
		want := append(keys(0, 1, 2, 3), keys(2, 0, 7)...)
		for i, k := range want {
			p.Insert(k, expertBytes)
			step(p, int(k.Layer), want[i:i+1])
			p.Touch(k)
		}
		p.Insert(key(1, 4), expertBytes)
		p.Remove(key(1, 4))
		for range 3 {
			assert.ElementsMatch(t, want, slices.Collect(p.Victims()))
		}
	})
}

func TestCallerMaySkipVictimsAndStop(t *testing.T) {
	forEach(t, func(t *testing.T, make func(expertfs.Shape) policy.Policy) {
		p := make(small)
		run(p, small, 10, 60, 1)
		all := slices.Collect(p.Victims())
		require.Len(t, all, 10)
		for held := range 10 {
			// Hold the first victims of an iteration; take the next.
			var skipped []expertfs.Key
			var taken expertfs.Key
			for k := range p.Victims() {
				if len(skipped) == held {
					taken = k
					break
				}
				skipped = append(skipped, k)
			}
			assert.NotContains(t, skipped, taken)
			p.Remove(taken)
			assert.NotContains(t, slices.Collect(p.Victims()), taken)
			p.Insert(taken, expertBytes)
		}
		assert.ElementsMatch(t, all, slices.Collect(p.Victims()))
	})
}

func TestMisuseIsHarmless(t *testing.T) {
	forEach(t, func(t *testing.T, make func(expertfs.Shape) policy.Policy) {
		p := make(small)
		p.Touch(key(0, 0))
		p.Remove(key(0, 0))
		step(p, -1, keys(0, 1))
		step(p, small.Layers, keys(small.Layers, 1))
		step(p, 0, nil)
		step(p, 0, append(keys(0, 1, 1, 200), keys(2, 3)...))
		step(p, 1, keys(1, 0, 1, 2, 3, 4, 5, 6, 7)) // a batch
		p.Insert(key(0, 0), expertBytes)
		p.Insert(key(0, 0), 2*expertBytes)
		p.Insert(key(1, 0), 0)
		p.Insert(key(1, 1), -5)
		p.Insert(key(1, 2), 1<<60)
		alien := key(60000, 60001)
		p.Insert(alien, expertBytes)
		p.Touch(alien)
		p.Resize(0)
		p.Resize(-1)
		p.Resize(1 << 62)
		assert.ElementsMatch(t, append(keys(1, 0, 1, 2), key(0, 0), alien), slices.Collect(p.Victims()))
		p.Remove(alien)
		assert.ElementsMatch(t, append(keys(1, 0, 1, 2), key(0, 0)), slices.Collect(p.Victims()))
		if v, ok := p.(policy.Valuer); ok {
			assert.Zero(t, v.Value(alien))
		}
	})
}

func TestEqualCallsGiveEqualVictims(t *testing.T) {
	forEach(t, func(t *testing.T, make func(expertfs.Shape) policy.Policy) {
		a := run(make(small), small, 9, 400, 3)
		assert.NotEmpty(t, a)
		assert.Equal(t, a, run(make(small), small, 9, 400, 3))
	})
}

// TestNumbersOfStreamsAreNames: a new stream is the same whatever its number,
// also where another had it before.
func TestNumbersOfStreamsAreNames(t *testing.T) {
	forEach(t, func(t *testing.T, make func(expertfs.Shape) policy.Policy) {
		same := func(stream int) int { return stream }
		fresh := 10
		other := func(int) int { fresh++; return fresh }
		a := runStreams(make(small), small, 9, 1000, 3, 3, same)
		assert.NotEmpty(t, a)
		assert.Equal(t, a, runStreams(make(small), small, 9, 1000, 3, 3, same))
		assert.Equal(t, a, runStreams(make(small), small, 9, 1000, 3, 3, other))
	})
}

// TestStreamsThatPauseCountNoMore: what a reader was about to use goes first
// once the others have gone on for some tokens, and is dear again when it is back.
func TestStreamsThatPauseCountNoMore(t *testing.T) {
	for _, name := range []string{"markov", "forecast"} {
		p := made(t, name, small)
		v := p.(policy.Valuer)
		token := func(stream, expert int) {
			for l := range small.Layers {
				p.Step(policy.Step{Stream: stream, Layer: l, Used: keys(l, expert, expert+1)})
			}
		}
		for range 30 {
			token(0, 0)
			token(1, 4)
		}
		assert.Greater(t, min(v.Value(key(0, 0)), v.Value(key(0, 4))), 0.6, name)
		for range 4 {
			token(0, 0)
		}
		assert.Less(t, v.Value(key(0, 4)), 0.4, name)
		assert.Greater(t, v.Value(key(0, 0)), 0.5, name)
		p.Step(policy.Step{Stream: 1, Used: keys(0, 4, 5)})
		assert.Greater(t, v.Value(key(1, 4)), 0.5, name)
		endStream(p, 1)
		assert.Less(t, v.Value(key(1, 4)), 0.4, name)
	}
}

func TestValuesAreChances(t *testing.T) {
	forEach(t, func(t *testing.T, make func(expertfs.Shape) policy.Policy) {
		p := make(small)
		v, ok := p.(policy.Valuer)
		if !ok {
			t.Skip("it does not value residents")
		}
		for range 300 {
			step(p, 0, keys(0, 1, 2))
			step(p, 1, keys(1, 3, 4))
			step(p, 2, keys(2, 5, 6))
		}
		for l := range small.Layers {
			for e := range small.Experts {
				assert.GreaterOrEqual(t, v.Value(key(l, e)), 0.0)
				assert.LessOrEqual(t, v.Value(key(l, e)), 1.0)
			}
		}
		assert.Greater(t, v.Value(key(0, 1)), 0.8, "used at every visit")
		assert.Less(t, v.Value(key(0, 3)), 0.2, "never used")
	})
}

func TestHeatSetsTheOrder(t *testing.T) {
	heat := policy.NewHeat(small)
	for range 50 {
		for l := range small.Layers {
			step(heat, l, keys(l, 2, 5))
		}
	}
	forEach(t, func(t *testing.T, make func(expertfs.Shape) policy.Policy) {
		p := make(small)
		w, ok := p.(policy.Warmer)
		if !ok {
			t.Skip("it does not use heat")
		}
		w.Warm(heat)
		for l := range small.Layers {
			for e := range small.Experts {
				p.Insert(key(l, e), expertBytes)
			}
		}
		all := slices.Collect(p.Victims())
		for _, k := range all[len(all)-6:] {
			assert.Contains(t, []uint16{2, 5}, k.Expert)
		}
	})
}

// TestStateMachine compares every policy with a set of residents under any
// order of calls.
func TestStateMachine(t *testing.T) {
	forEach(t, func(t *testing.T, make func(expertfs.Shape) policy.Policy) {
		rapid.Check(t, func(t *rapid.T) {
			p := make(small)
			resident := map[expertfs.Key]bool{}
			anyKey := rapid.Custom(func(t *rapid.T) expertfs.Key {
				return key(rapid.IntRange(0, 3).Draw(t, "layer"), rapid.IntRange(0, 8).Draw(t, "expert")) // one too far
			})
			anyStream := rapid.OneOf(rapid.IntRange(0, 3), rapid.Int())
			t.Repeat(map[string]func(*rapid.T){
				"insert": func(t *rapid.T) {
					k := anyKey.Draw(t, "key")
					p.Insert(k, rapid.Int64Range(1, 3*expertBytes).Draw(t, "bytes"))
					resident[k] = true
				},
				"touch": func(t *rapid.T) { p.Touch(anyKey.Draw(t, "key")) },
				"remove": func(t *rapid.T) {
					k := anyKey.Draw(t, "key")
					p.Remove(k)
					delete(resident, k)
				},
				"evict": func(t *rapid.T) {
					skip := rapid.IntRange(0, 3).Draw(t, "skip")
					for k := range p.Victims() {
						if skip--; skip < 0 {
							defer p.Remove(k)
							delete(resident, k)
							break
						}
					}
				},
				"step": func(t *rapid.T) {
					p.Step(policy.Step{
						Stream: anyStream.Draw(t, "stream"),
						Layer:  rapid.IntRange(-1, 3).Draw(t, "layer"),
						Used:   rapid.SliceOfN(anyKey, 0, 5).Draw(t, "used"),
						Found:  rapid.Bool().Draw(t, "found"),
					})
				},
				"end":    func(t *rapid.T) { endStream(p, anyStream.Draw(t, "stream")) },
				"resize": func(t *rapid.T) { p.Resize(rapid.Int64Range(0, 40*expertBytes).Draw(t, "budget")) },
				"": func(t *rapid.T) {
					seen := map[expertfs.Key]bool{}
					for k := range p.Victims() {
						if !resident[k] {
							t.Fatalf("%v is offered and not resident", k)
						}
						if seen[k] {
							t.Fatalf("%v is offered twice", k)
						}
						seen[k] = true
					}
					if len(seen) != len(resident) {
						t.Fatalf("%d of %d residents are offered", len(seen), len(resident))
					}
				},
			})
		})
	})
}
