package budget

import (
	"errors"
	"log/slog"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseAuto(t *testing.T) {
	for text, want := range map[string]Bounds{"auto": {}, " auto\n": {}, "auto:1MiB-2GiB": {mebi, 2 << 30}} {
		b, ok, err := ParseAuto(text)
		require.NoError(t, err, text)
		require.True(t, ok, text)
		require.Equal(t, want, b, text)
	}
	for _, text := range []string{"auto:", "auto:1GiB", "auto:2GiB-1GiB", "auto:-1GiB", "auto:1GiB-x"} {
		_, ok, err := ParseAuto(text)
		require.True(t, ok, text)
		require.ErrorContains(t, err, "auto:MIN-MAX", text)
	}
	_, ok, err := ParseAuto("6GiB")
	require.NoError(t, err)
	require.False(t, ok)
}

func TestRoom(t *testing.T) {
	const machine = "MemTotal: 8388608 kB\nMemFree: 1 kB\nMemAvailable: 4194304 kB\n"
	tree := func(cgroup string, files map[string]string) fstest.MapFS {
		root := fstest.MapFS{"proc/meminfo": {Data: []byte(machine)}}
		if cgroup != "" {
			root["proc/self/cgroup"] = &fstest.MapFile{Data: []byte(cgroup)}
		}
		for name, text := range files {
			root["sys/fs/cgroup/"+name] = &fstest.MapFile{Data: []byte(text)}
		}
		return root
	}
	for name, c := range map[string]struct {
		root fstest.MapFS
		want Room
	}{
		"machine": {tree("", nil), Room{8 << 30, 4 << 30, 0}},
		"v2": {tree("0::/a/b\n", map[string]string{
			"a/b/memory.max": "1073741824\n", "a/b/memory.high": "max\n", "a/b/memory.current": "943718400\n",
			"a/b/memory.stat":     "anon 1\ninactive_file 104857600\nactive_file 0\n",
			"a/b/memory.events":   "low 0\nhigh 9\nmax 9\noom 2\n",
			"a/b/memory.pressure": "some avg10=0.00 avg60=0.00 avg300=0.00 total=900000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=60000\n",
		}), Room{1 << 30, 224 * mebi, 5}},
		"v2, over high": {tree("0::/a\n", map[string]string{
			"a/memory.max": "1073741824", "a/memory.high": "104857600", "a/memory.current": "209715200",
		}), Room{100 * mebi, -100 * mebi, 0}},
		"v2, the parent is full": {tree("0::/a/b\n", map[string]string{
			"a/b/memory.max": "2147483648", "a/b/memory.current": "1048576",
			"a/memory.max": "1073741824", "a/memory.current": "1073741824",
		}), Room{1 << 30, 0, 0}},
		"v1": {tree("4:memory:/g\n0::/\n", map[string]string{
			"memory/g/memory.limit_in_bytes": "536870912", "memory/g/memory.usage_in_bytes": "268435456",
			"memory/g/memory.soft_limit_in_bytes": "9223372036854771712",
			"memory/g/memory.stat":                "total_inactive_file 134217728\n",
		}), Room{512 * mebi, 384 * mebi, 0}},
	} {
		r, err := readRoom(c.root)
		require.NoError(t, err, name)
		require.Equal(t, c.want, r, name)
	}
}

// pretended is a cache of slots of a MiB that is as full as it may be. Like a real
// one it refuses a budget below a slot.
type pretended struct{ budget, used int64 }

func (p *pretended) Space() (int64, int64, int) { return p.budget, p.budget - p.used, 0 }
func (p *pretended) SlotBytes() int64           { return mebi }
func (p *pretended) SetBudget(n int64) error {
	if n < mebi {
		return errors.New("too small")
	}
	p.budget, p.used = n, min(p.used, n)
	return nil
}

// TestGovernor plays a machine of 8 GiB, in which others come and go.
func TestGovernor(t *testing.T) {
	const gib, reserve = int64(1 << 30), int64(8<<30) / 16
	cache := &pretended{budget: 6 * gib, used: 6 * gib}
	g := &Governor{cache: cache, bounds: Bounds{Min: gib, Max: 7 * gib}, log: slog.New(slog.DiscardHandler)}
	g.Resume()
	now := time.Unix(0, 0)
	others := 2*gib - reserve
	at := func(after time.Duration, shortages int64) int64 {
		now = now.Add(after)
		g.follow(now, Room{Limit: 8 * gib, Free: 8*gib - others - cache.used, Shortages: shortages})
		return cache.budget
	}
	require.Equal(t, 6*gib, at(tick, 0), "there is room for the reserve and no slot more")

	others = 4 * gib
	require.Equal(t, 4*gib-reserve, at(tick, 0), "at once")
	require.Equal(t, 4*gib-reserve, at(tick, 0))

	others = 2 * gib
	require.Equal(t, 4*gib-reserve, at(tick, 0), "not so soon after a shortage")
	before := at(calmAfter, 0)
	require.Greater(t, before, 4*gib-reserve)
	require.Less(t, before, 5*gib, "slowly")
	for range 100 {
		cache.used = cache.budget
		at(growEvery, 0)
	}
	require.Equal(t, 6*gib-reserve, cache.budget, "all that is free but the reserve")

	short := at(tick, 1)
	require.Equal(t, (6*gib-reserve)/8*7/mebi*mebi, short, "the kernel is short")
	require.Less(t, at(tick, 2), short, "and again")

	others = 100 * gib
	require.Equal(t, gib, at(tick, 2), "never below the least")
	others = -100 * gib
	for range 100 {
		cache.used = cache.budget
		at(calmAfter, 2)
	}
	require.Equal(t, 7*gib, cache.budget, "never above the most")

	cache.used = gib
	others = 6 * gib
	require.Equal(t, 2*gib-reserve, at(tick, 2), "a cache that is not full has what it may take")
}

// TestWhatIsSetByHandStays: also when the governor has read the room already, but
// not when the budget is refused.
func TestWhatIsSetByHandStays(t *testing.T) {
	const gib = int64(1 << 30)
	cache := &pretended{budget: 6 * gib, used: 6 * gib}
	g := &Governor{cache: cache, bounds: Bounds{Min: mebi, Max: 7 * gib}, log: slog.New(slog.DiscardHandler)}
	g.Resume()

	require.Error(t, g.SetByHand(1))
	require.True(t, g.Active(), "a budget that is refused changes nothing")
	require.NoError(t, g.SetByHand(5*gib))
	require.False(t, g.Active())
	full := Room{Limit: 8 * gib} // nothing is free
	g.follow(time.Unix(0, 0), full)
	require.Equal(t, 5*gib, cache.budget)

	g.Resume()
	g.follow(time.Unix(1, 0), full)
	require.Less(t, cache.budget, 5*gib)
}
