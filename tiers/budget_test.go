package tiers

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"time"

	"expertfs/policy"
	"expertfs/tiers/ram"

	"github.com/stretchr/testify/require"
)

func TestABudgetBelowWhatAReaderHoldsIsRefused(t *testing.T) {
	ck := tiny(t)
	one := pages(ck.ExpertSize())
	_, err := New(ck, Options{Budget: 4*one - 1})
	require.ErrorIs(t, err, ErrBudget)
	require.ErrorContains(t, err, "4 experts x")
	c := newCache(t, ck, 4, Options{})
	require.ErrorIs(t, c.SetBudget(0), ErrBudget)
	require.Equal(t, 4*one, c.Budget())
}

func TestABudgetBelowATokenIsWarnedOf(t *testing.T) {
	ck := tiny(t)
	var log bytes.Buffer
	o := Options{Log: slog.New(slog.NewTextHandler(&log, nil))}
	c := newCache(t, ck, 16, o)
	require.Empty(t, log.String())
	require.NoError(t, c.SetBudget(16*c.slots.bytes-1))
	require.Contains(t, log.String(), "4 layers x 4 experts x")
}

func TestUnknownPoliciesAreRefused(t *testing.T) {
	ck := tiny(t)
	_, err := New(ck, Options{Budget: 1 << 30, Policy: "no such"})
	require.ErrorContains(t, err, "no such")
	c := newCache(t, ck, 4, Options{})
	require.Error(t, c.SetPolicy("no such"))
	require.Equal(t, "lru", c.PolicySpec())
}

func TestEveryPolicyTakesTheResidentsOver(t *testing.T) {
	ck := tiny(t)
	c := newCache(t, ck, 8, Options{})
	for _, name := range policy.Names() {
		for expert := range 12 {
			open(t, c, key(1, expert)).Release()
		}
		before := c.Resident()
		require.NoError(t, c.SetPolicy(name), name)
		require.Equal(t, name, c.PolicySpec())
		require.Equal(t, before, c.Resident())
		require.Len(t, before, 8)
	}
}

func TestTheBudgetShrinksAndGrowsUnderReaders(t *testing.T) {
	ck := tiny(t)
	c := newCache(t, ck, 12, Options{MaxWait: time.Millisecond})
	var handles []*Handle
	for expert := range 12 {
		h := open(t, c, key(0, expert))
		if expert%2 == 0 {
			handles = append(handles, h)
		} else {
			h.Release()
		}
	}
	requireKernel(t, c, 12)
	// What is not held goes at once; what is held stays and is right.
	require.NoError(t, c.SetBudget(4*c.slots.bytes))
	require.Equal(t, 6, c.Stats().Resident)
	requireKernel(t, c, 6)
	_, err := c.Open(context.Background(), key(1, 0))
	require.ErrorIs(t, err, ErrBusy, "beyond the budget nothing is loaded")
	for i, h := range handles {
		require.Equal(t, bytesOf(t, ck, ck.Expert(key(0, 2*i))), h.Bytes())
		h.Release()
	}
	eventually(t, func() bool { return c.Stats().Used == 4*c.slots.bytes })
	requireKernel(t, c, 4)
	open(t, c, key(1, 0)).Release()

	require.NoError(t, c.SetBudget(20*c.slots.bytes))
	for expert := range 32 {
		open(t, c, key(2, expert)).Release()
	}
	require.Equal(t, 20, c.Stats().Resident)
	requireKernel(t, c, 20)
	require.Equal(t, 20*c.slots.bytes, c.Stats().PeakBytes)
}

// requireKernel checks the books against the kernel's.
func requireKernel(t *testing.T, c *Cache, slots int) {
	t.Helper()
	eventually(t, func() bool {
		s := c.Stats()
		return s.KernelBytes == int64(slots)*c.slots.bytes && s.Used == s.KernelBytes
	})
}

func TestWatermarksKeepSlotsReady(t *testing.T) {
	ck := tiny(t)
	c := newCache(t, ck, 20, Options{High: 0.8, Low: 0.5})
	for layer := range 4 {
		for expert := range 32 {
			open(t, c, key(layer, expert)).Release()
		}
	}
	eventually(t, func() bool { return c.Stats().ResidentBytes <= c.Budget()*8/10 })
	s := c.Stats()
	require.GreaterOrEqual(t, s.ResidentBytes, c.Budget()/2)
	require.Equal(t, s.Used, s.ResidentBytes+s.FreeBytes)
}

func TestHeldExpertsSurviveTheWatermarks(t *testing.T) {
	ck := tiny(t)
	c := newCache(t, ck, 10, Options{High: 0.5, Low: 0.5})
	var handles []*Handle
	for expert := range 10 {
		handles = append(handles, open(t, c, key(0, expert)))
	}
	require.Equal(t, 10, c.Stats().Resident)
	for _, h := range handles {
		h.Release()
	}
	eventually(t, func() bool { return c.Stats().Resident == 5 })
}

// hooks counts the slots that live.
type hooks struct {
	t     *testing.T
	moves chan int
}

func (h hooks) Born(s *ram.Slot) { s.BackingID = 7; h.moves <- 1 }

func (h hooks) Dead(s *ram.Slot) {
	if s.BackingID != 7 || s.Bytes() == nil {
		h.t.Error("a slot died that was not born, or was closed before")
	}
	h.moves <- -1
}

func TestEverySlotIsBornAndDiesOnce(t *testing.T) {
	ck := tiny(t)
	h := hooks{t, make(chan int, 1000)}
	c, err := New(ck, Options{Budget: 10 * pages(ck.ExpertSize()), SlotHook: h, checked: true})
	require.NoError(t, err)
	for expert := range 20 {
		handle := open(t, c, key(0, expert))
		require.EqualValues(t, 7, handle.Slot().BackingID)
		handle.Release()
	}
	dense, err := c.OpenDense(context.Background(), Unembedding)
	require.NoError(t, err)
	dense.Release()
	require.NoError(t, c.SetBudget(5*c.slots.bytes))
	require.NoError(t, c.Close())
	close(h.moves)
	births, live := 0, 0
	for move := range h.moves {
		births += max(move, 0)
		live += move
	}
	require.Equal(t, 21, births, "a slot for each load")
	require.Zero(t, live)
}
