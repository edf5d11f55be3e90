package tiers

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"expertfs"
	"expertfs/policy"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// TestCacheAgreesWithItsModel drives a cache with random operations of one
// reader and compares it with what a reader may rely on: the right bytes for
// as long as they are held, experts that are held never evicted, the budget,
// and errors that pass.
func TestCacheAgreesWithItsModel(t *testing.T) {
	ck := tiny(t)
	want := map[expertfs.Key][]byte{}
	for layer := range ck.Config().Layers {
		for expert := range ck.Config().Experts {
			want[key(layer, expert)] = bytesOf(t, ck, ck.Expert(key(layer, expert)))
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		f := &faults{}
		m := &model{want: want, faults: f, slots: 10}
		o := Options{
			Budget: 10 * pages(ck.ExpertSize()), MaxWait: time.Nanosecond, checked: true, NVMe: f.options(),
			Policy: rapid.SampledFrom(policy.Names()).Draw(rt, "policy"),
			High:   rapid.SampledFrom([]float64{1, 0.9, 0.5}).Draw(rt, "high"),
		}
		c, err := New(ck, o)
		require.NoError(t, err)
		defer func() {
			for _, h := range m.handles {
				h.Release()
			}
			require.NoError(t, c.Close())
		}()
		m.c = c
		rt.Repeat(map[string]func(*rapid.T){
			"":         m.check,
			"open":     m.open,
			"release":  m.release,
			"hint":     m.hint,
			"step":     m.step,
			"resize":   m.resize,
			"policy":   m.policy,
			"break it": m.breakIt,
		})
	})
}

// model is what a single reader knows of a cache.
type model struct {
	c       *Cache
	want    map[expertfs.Key][]byte
	faults  *faults
	broken  bool
	slots   int // of the budget
	handles []*Handle
}

func drawKey(rt *rapid.T) expertfs.Key {
	// Few experts, so that they meet.
	return key(rapid.IntRange(0, 3).Draw(rt, "layer"), rapid.IntRange(0, 5).Draw(rt, "expert"))
}

// heldKeys are the experts that the reader has open.
func (m *model) heldKeys() map[expertfs.Key]bool {
	keys := map[expertfs.Key]bool{}
	for _, h := range m.handles {
		keys[h.e.key] = true
	}
	return keys
}

func (m *model) open(rt *rapid.T) {
	k := drawKey(rt)
	held := m.heldKeys()
	h, err := m.c.Open(context.Background(), k)
	switch {
	case err == nil:
		require.Equal(rt, 0, bytes.Compare(m.want[k], h.Bytes()), "wrong bytes of %v", k)
		m.handles = append(m.handles, h)
	case held[k]:
		rt.Fatalf("%v is held and could not be opened: %v", k, err)
	case errors.Is(err, ErrBusy):
		// Loads for prefetches and announced steps hold slots too, for a short time.
		require.GreaterOrEqual(rt, len(held)+int(m.c.prefetch.bytes/m.c.slots.bytes)+m.c.shape.TopK, m.slots)
	default:
		require.ErrorIs(rt, err, unix.EIO)
		require.True(rt, m.broken, "no fault, but %v", err)
	}
}

func (m *model) release(rt *rapid.T) {
	if len(m.handles) == 0 {
		rt.Skip("nothing is open")
	}
	i := rapid.IntRange(0, len(m.handles)-1).Draw(rt, "handle")
	m.handles[i].Release()
	m.handles = append(m.handles[:i], m.handles[i+1:]...)
}

func (m *model) hint(rt *rapid.T) {
	k := drawKey(rt)
	if rapid.Bool().Draw(rt, "prefetch") {
		m.c.Prefetch(k)
	} else {
		m.c.Touch(k)
	}
}

func (m *model) step(rt *rapid.T) {
	first, n := drawKey(rt), rapid.IntRange(1, 5).Draw(rt, "experts")
	var used []expertfs.Key
	for i := range n {
		used = append(used, key(int(first.Layer), (int(first.Expert)+i)%6))
	}
	m.c.Step(int(first.Layer), used)
}

func (m *model) resize(rt *rapid.T) {
	m.slots = rapid.IntRange(4, 20).Draw(rt, "slots")
	require.NoError(rt, m.c.SetBudget(int64(m.slots)*m.c.slots.bytes))
}

func (m *model) policy(rt *rapid.T) {
	require.NoError(rt, m.c.SetPolicy(rapid.SampledFrom(policy.Names()).Draw(rt, "policy")))
}

func (m *model) breakIt(rt *rapid.T) {
	m.broken = !m.broken
	m.faults.set(nil)
	// A prefetch that has failed already must not be joined by an open that
	// expects no fault.
	eventually(rt, func() bool { return m.c.Stats().LoadingBytes == 0 })
	if m.broken {
		m.faults.set(failing(unix.EIO))
	}
}

func (m *model) check(rt *rapid.T) {
	held := m.heldKeys()
	for _, h := range m.handles {
		require.Equal(rt, "ram", m.c.Expert(h.e.key).Tier)
		require.Equal(rt, 0, bytes.Compare(m.want[h.e.key], h.Bytes()), "bytes of %v changed while held", h.e.key)
	}
	require.Equal(rt, int64(len(held))*m.c.slots.bytes, m.c.Stats().HeldBytes)
	// After a change of budget slots are closed in the background.
	eventually(rt, func() bool {
		s := m.c.Stats()
		most := int64(max(m.slots, len(held))) * m.c.slots.bytes
		return s.Used <= most && s.KernelBytes <= most && s.ResidentBytes+s.LoadingBytes+s.FreeBytes == s.Used
	})
}
