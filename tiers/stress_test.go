package tiers

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"testing"

	"expertfs/policy"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// TestManyReadersSeeRightBytesWithinTheBudget runs 8 readers over a tenth of
// the experts, with faults, hints and changes of budget and policy beside.
func TestManyReadersSeeRightBytesWithinTheBudget(t *testing.T) {
	rounds := 200
	if testing.Short() {
		rounds = 50
	}
	f, ck := &faults{}, tiny(t)
	before := descriptors(t)
	c, err := New(ck, Options{Budget: 12 * pages(ck.ExpertSize()), checked: true, NVMe: f.options(), High: 0.9, Low: 0.8})
	require.NoError(t, err)
	f.set(func(_ []byte, off int64, read func() (int, error)) (int, error) {
		if off%97 == 0 && rand.IntN(20) == 0 {
			return 0, unix.EIO
		}
		return read()
	})
	want := make([][]byte, 128)
	for i := range want {
		want[i] = bytesOf(t, ck, ck.Expert(key(i/32, i%32)))
	}
	var readers errgroup.Group
	for reader := range 8 {
		readers.Go(func() error {
			rng := rand.New(rand.NewPCG(1, uint64(reader)))
			for range rounds {
				i := rng.IntN(128)
				ctx, cancel := context.WithCancel(context.Background())
				if rng.IntN(8) == 0 {
					cancel() // a reader that is killed
				}
				h, err := c.Open(ctx, key(i/32, i%32))
				cancel()
				switch {
				case errors.Is(err, unix.EIO) || errors.Is(err, context.Canceled):
					continue
				case err != nil:
					return err
				}
				if !bytes.Equal(want[i], h.Bytes()) {
					return errors.New("wrong bytes")
				}
				h.Release()
			}
			return nil
		})
	}
	readers.Go(func() error {
		rng := rand.New(rand.NewPCG(2, 2))
		for range rounds / 4 {
			layer, expert := rng.IntN(4), rng.IntN(32)
			c.Prefetch(key(layer, expert), key(layer, (expert+1)%32))
			c.Touch(key(layer, expert))
			// It drops the guesses that have not begun, and nobody opens what it announces.
			c.Step(layer, layerKeys(layer, rng.IntN(16), 16+rng.IntN(16)))
			if err := c.SetPolicy(policy.Names()[rng.IntN(len(policy.Names()))]); err != nil {
				return err
			}
			budget := int64(10+rng.IntN(5)) * c.slots.bytes
			if err := c.SetBudget(budget); err != nil {
				return err
			}
			if s := c.Stats(); s.KernelBytes > 14*c.slots.bytes {
				return errors.New("more in RAM than any budget so far")
			}
		}
		return nil
	})
	require.NoError(t, readers.Wait())
	eventually(t, func() bool { return c.Stats().LoadingBytes == 0 })
	s := c.Stats()
	require.Zero(t, s.HeldBytes)
	require.Zero(t, s.Waiting)
	require.NoError(t, c.SetBudget(4*c.slots.bytes))
	eventually(t, func() bool { return c.Stats().KernelBytes == 4*c.slots.bytes })
	require.NoError(t, c.Close())
	require.Equal(t, before, descriptors(t), "descriptors were leaked")
}

// descriptors counts this process's open files.
func descriptors(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(open)
}
