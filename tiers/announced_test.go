package tiers

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"expertfs"
	"expertfs/policy"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// layerKeys are experts of one layer.
func layerKeys(layer int, experts ...int) (keys []expertfs.Key) {
	for _, e := range experts {
		keys = append(keys, key(layer, e))
	}
	return keys
}

// ahead is how many loads of a reader nobody waits for yet.
func ahead(c *Cache, r *Reader) int {
	c.guard.Lock()
	defer c.guard.Unlock()
	return r.stream.ahead
}

func TestALoadBeginsWhenItsUseIsAnnounced(t *testing.T) {
	f, ck := &faults{}, tiny(t)
	c := newCache(t, ck, 8, Options{NVMe: f.options()})
	open(t, c, key(1, 7)).Release()
	before := f.count.Load()
	release := f.gate()
	defer release()
	c.Step(1, layerKeys(1, 2, 7, 3))
	eventually(t, func() bool { return f.count.Load() > before })
	require.Equal(t, 2*c.slots.bytes, c.Stats().LoadingBytes)
	release()
	eventually(t, func() bool { return c.Stats().Resident == 3 })
	require.EqualValues(t, 1, c.Stats().Total(), "nothing was used but what was opened")

	// The load has ended, and the use has cost a read all the same.
	h := open(t, c, key(1, 2))
	require.Equal(t, bytesOf(t, ck, ck.Expert(key(1, 2))), h.Bytes())
	h.Release()
	require.Equal(t, expertfs.Uses{Misses: 2}, c.Stats().Uses)
	open(t, c, key(1, 7)).Release()
	open(t, c, key(1, 2)).Release()
	c.Touch(key(1, 3)) // a use as well
	require.Equal(t, expertfs.Uses{Hits: 2, Misses: 3}, c.Stats().Uses)
	require.EqualValues(t, 3, c.Stats().Loads)
}

func TestAnOpenJoinsTheLoadThatItsAnnouncementBegan(t *testing.T) {
	f := &faults{}
	c := newCache(t, tiny(t), 8, Options{NVMe: f.options(), Shadows: []string{"lru"}})
	a, b := addReader(t, c, 1), addReader(t, c, 2)
	release := f.gate()
	defer release()
	a.Step(1, layerKeys(1, 2))
	b.Step(1, layerKeys(1, 2))
	require.Equal(t, 1, ahead(c, a))
	var opens errgroup.Group
	for _, r := range []*Reader{b, a} {
		opens.Go(func() error {
			h, err := r.Open(context.Background(), key(1, 2))
			if err == nil {
				h.Release()
			}
			return err
		})
	}
	eventually(t, func() bool { return c.Stats().Total() == 2 })
	require.Equal(t, expertfs.Uses{Misses: 1, Joins: 1}, c.Stats().Uses, "one read, whoever comes first")
	require.Zero(t, ahead(c, a))
	release()
	require.NoError(t, opens.Wait())
	require.EqualValues(t, 1, c.Stats().Loads)
	eventually(t, func() bool { return c.Stats().Shadows[0].Accesses == 2 })
	require.InDelta(t, 0.5, c.Stats().Shadows[0].HitRate, 0)
}

func TestAnAnnouncementPromotesAPrefetch(t *testing.T) {
	f := &faults{}
	o := Options{NVMe: f.options()}
	o.NVMe.Workers = 1
	c := newCache(t, tiny(t), 8, o)
	release := f.gate()
	defer release()
	c.Prefetch(key(1, 2))
	c.Step(1, layerKeys(1, 2))
	require.EqualValues(t, 1, c.Stats().Prefetch.Late)
	release()
	eventually(t, func() bool { return c.Stats().Resident == 1 })
	open(t, c, key(1, 2)).Release()
	require.Equal(t, expertfs.Uses{Misses: 1}, c.Stats().Uses)
	require.Zero(t, c.Stats().Prefetch.Useful)
}

// TestAFullTierBeginsNothing: readers hold every slot. The opens wait and fail as
// without announcement.
func TestAFullTierBeginsNothing(t *testing.T) {
	c := newCache(t, tiny(t), 4, Options{MaxWait: time.Millisecond})
	var held []*Handle
	for expert := range 4 {
		held = append(held, open(t, c, key(0, expert)))
	}
	c.Step(1, layerKeys(1, 0, 1))
	require.Zero(t, c.Stats().LoadingBytes)
	_, err := c.Open(context.Background(), key(1, 0))
	require.ErrorIs(t, err, ErrBusy)
	for _, h := range held[:2] {
		h.Release()
	}
	c.Step(1, layerKeys(1, 0, 1, 2))
	eventually(t, func() bool { return c.Stats().LoadingBytes == 0 })
	require.Equal(t, []expertfs.Key{key(0, 2), key(0, 3), key(1, 0), key(1, 1)}, c.Resident())
	for _, h := range held[2:] {
		h.Release()
	}
	for expert := range 3 {
		open(t, c, key(1, expert)).Release()
	}
	require.Equal(t, expertfs.Uses{Misses: 7}, c.Stats().Uses, "the refused open counts once")
	open(t, c, key(1, 0)).Release()
	require.Equal(t, expertfs.Uses{Hits: 1, Misses: 7}, c.Stats().Uses, "its load was for that open")
}

// TestAnAnnouncementTakesNothingFromTheStepsOfOthers, nor do its experts keep out
// those who open.
func TestAnAnnouncementTakesNothingFromTheStepsOfOthers(t *testing.T) {
	c := newCache(t, tiny(t), 4, Options{})
	a, b := addReader(t, c, 1), addReader(t, c, 2)
	a.Step(0, layerKeys(0, 0, 1, 2, 3))
	eventually(t, func() bool { return c.Stats().Resident == 4 })
	b.Step(1, layerKeys(1, 0, 1, 2, 3))
	require.Equal(t, layerKeys(0, 0, 1, 2, 3), c.Resident())
	for expert := range 4 {
		openBy(t, b, key(1, expert)).Release()
	}
	require.Equal(t, layerKeys(1, 0, 1, 2, 3), c.Resident())
	for expert := range 4 {
		openBy(t, a, key(0, expert)).Release()
	}
	require.Equal(t, expertfs.Uses{Misses: 8}, c.Stats().Uses)
}

func TestAnAnnouncerThatDiesHoldsNothing(t *testing.T) {
	f := &faults{}
	c := newCache(t, tiny(t), 4, Options{NVMe: f.options()})
	a := c.NewReader(ReaderInfo{PID: 1})
	release := f.gate()
	defer release()
	a.Step(0, layerKeys(0, 0, 1, 2, 3))
	a.Close()
	release()
	eventually(t, func() bool { return c.Stats().Resident == 4 })
	require.Zero(t, c.Stats().HeldBytes)
	require.Zero(t, ahead(c, a))
	for expert := range 4 {
		open(t, c, key(1, expert)).Release()
	}
	require.Equal(t, layerKeys(1, 0, 1, 2, 3), c.Resident())
	require.Equal(t, expertfs.Uses{Misses: 4}, c.Stats().Uses)
}

// TestWhoAnnouncesAndNeverOpensLoadsAStepAtMost at a time.
func TestWhoAnnouncesAndNeverOpensLoadsAStepAtMost(t *testing.T) {
	f := &faults{}
	c := newCache(t, tiny(t), 32, Options{NVMe: f.options()})
	a := addReader(t, c, 1)
	release := f.gate()
	defer release()
	for layer := range 4 {
		a.Step(layer, layerKeys(layer, 0, 1, 2, 3, 4, 5, 6, 7))
	}
	require.Equal(t, 4, ahead(c, a))
	require.Equal(t, 4*c.slots.bytes, c.Stats().LoadingBytes)
	release()
	eventually(t, func() bool { return ahead(c, a) == 0 })
	require.Equal(t, layerKeys(0, 0, 1, 2, 3), c.Resident())
}

func TestAnAnnouncedLoadThatFailsIsTriedAgain(t *testing.T) {
	f := &faults{}
	c := newCache(t, tiny(t), 4, Options{NVMe: f.options()})
	f.set(failing(unix.EIO))
	c.Step(1, layerKeys(1, 2))
	eventually(t, func() bool { return c.Stats().LoadingBytes == 0 })
	_, err := c.Open(context.Background(), key(1, 2))
	require.ErrorIs(t, err, unix.EIO)
	f.set(nil)
	open(t, c, key(1, 2)).Release()
	open(t, c, key(1, 2)).Release()
	require.Equal(t, expertfs.Uses{Hits: 1, Misses: 2}, c.Stats().Uses)
}

func TestAPolicyThatComesWhileAnAnnouncedLoadIsUnderWay(t *testing.T) {
	for _, fails := range []bool{false, true} {
		f := &faults{}
		c := newCache(t, tiny(t), 4, Options{NVMe: f.options()})
		gate := make(chan struct{})
		f.set(func(_ []byte, _ int64, read func() (int, error)) (int, error) {
			<-gate
			if fails {
				return 0, unix.EIO
			}
			return read()
		})
		c.Step(1, layerKeys(1, 2))
		require.NoError(t, c.SetPolicy("fifo"))
		close(gate)
		eventually(t, func() bool { return c.Stats().LoadingBytes == 0 })
		c.guard.Lock()
		var known []expertfs.Key
		for k := range c.evictor.policy.Victims() {
			known = append(known, k)
		}
		c.guard.Unlock()
		if fails {
			require.Empty(t, known)
		} else {
			require.Equal(t, layerKeys(1, 2), known)
		}
	}
}

// TestShadowsAgreeWhereStepsOverlap: several readers announce before any of them opens,
// and open in another order, side by side. The shadow of the cache's policy has the same
// share of uses that cost no read.
func TestShadowsAgreeWhereStepsOverlap(t *testing.T) {
	const readers, tokens = 3, 10
	for _, spec := range policy.Names() {
		if spec == "pin" {
			continue // it loads before the first use
		}
		t.Run(spec, func(t *testing.T) {
			c := newCache(t, tiny(t), 40, Options{Policy: spec, Seed: 5, Shadows: []string{spec}, NoForecast: true})
			rng := rand.New(rand.NewPCG(1, 7))
			routes := routing(readers * tokens)
			programs := make([]*Reader, readers)
			for n := range programs {
				programs[n] = addReader(t, c, n+1)
			}
			for i := range 4 * tokens {
				var opens errgroup.Group
				for n, r := range programs {
					used := routes[4*tokens*n+i]
					r.Step(int(used[0].Layer), used)
				}
				for n, r := range programs {
					used := append([]expertfs.Key(nil), routes[4*tokens*n+i]...)
					rng.Shuffle(len(used), func(i, j int) { used[i], used[j] = used[j], used[i] })
					opens.Go(func() error {
						for _, k := range used {
							h, err := r.Open(context.Background(), k)
							if err != nil {
								return errors.Join(err, fmt.Errorf("%v", k))
							}
							h.Release()
						}
						return nil
					})
				}
				require.NoError(t, opens.Wait())
			}
			live := c.Stats().Uses
			require.EqualValues(t, 4*4*tokens*readers, live.Total())
			eventually(t, func() bool { return c.Stats().Shadows[0].Accesses == live.Total() })
			require.InDelta(t, live.HitRate(), c.Stats().Shadows[0].HitRate, 1e-9)
		})
	}
}
