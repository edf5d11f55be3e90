package web

import (
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"expertfs"

	"github.com/stretchr/testify/require"
)

// mount is a Source that does as it is told.
type mount struct {
	mu    sync.Mutex
	stats expertfs.Stats
	live  *expertfs.Live
	err   error
	set   []string // what was written
	looks int
	began time.Time
}

// newMount makes a mount whose experts are used as those of a model are: a few of
// each layer often, most of them rarely.
func newMount(layers, experts int) *mount {
	m := &mount{live: expertfs.NewLive(expertfs.Names{Layers: layers, Experts: experts}), began: time.Now()}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range m.live.All {
		e := &m.live.All[i]
		e.Heat = min(1000, int(1000*math.Exp(1.3*r.NormFloat64())*2.4/float64(experts)))
		e.Uses = int64(e.Heat * 9)
		if e.Heat > 2400/experts {
			e.Place = expertfs.InRAM
		}
	}
	s := &m.stats
	*s = expertfs.Stats{
		Version: "1.0.0", PID: 4711, Mountpoint: "/mnt/model", Checkpoint: "/data/gpt-oss-120b", Model: "gpt-oss-120b",
		Layers: layers, Experts: experts, Mechanism: expertfs.Passthrough, Seconds: 4000,
		Readers: []expertfs.ReaderStats{
			{PID: 812, Name: "gptoss", Opens: 4e5, Uses: expertfs.Uses{Hits: 3.6e5, Misses: 3e4}, Tokens: 2711, MappedBytes: 20 << 30, ShareBytes: 24 << 30},
			{PID: 930, Name: "python3", Stream: 1, Uses: expertfs.Uses{Hits: 900, Misses: 200}, Tokens: 12, MappedBytes: 1 << 28, ShareBytes: 1 << 30},
		},
	}
	c := &s.Cache
	c.Policy, c.Budget, c.SlotBytes = "forecast", 32<<30, 13<<20
	c.Uses = expertfs.Uses{Hits: 3.6e5, Misses: 3e4, Joins: 100}
	c.Used, c.ResidentBytes, c.HeldBytes, c.MappedBytes = 31<<30, 30<<30, 2<<30, 14<<30
	c.Resident, c.Evictions, c.DenseBytes, c.BytesRead, c.OpenWait = 2290, 27118, 2<<30, 390<<30, 212*time.Second
	c.Shadows = []expertfs.ShadowStats{{Policy: "lru", HitRate: .871}, {Policy: "lfu", HitRate: .894}, {Policy: "arc", HitRate: .902}}
	return m
}

func (m *mount) Stats() (*expertfs.Stats, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.stats
	s.Readers = slices.Clone(s.Readers)
	s.Seconds += time.Since(m.began).Seconds()
	return &s, m.err
}

func (m *mount) Live() (*expertfs.Live, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.looks++
	l := *m.live
	l.All = slices.Clone(l.All)
	return &l, m.err
}

func (m *mount) Set(file, text string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if text == "bad" {
		return errors.New("there is no policy of that name")
	}
	m.set = append(m.set, file+"="+text)
	if file == expertfs.PolicyFile {
		m.stats.Cache.Policy = text
	}
	return nil
}

// do changes the mount.
func (m *mount) do(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

// use has an expert used.
func (m *mount) use(layer, expert int) {
	m.do(func() {
		e := m.live.At(expertfs.NewKey(layer, expert))
		e.Uses++
		e.Place = expertfs.InRAM
	})
}

// listen shows a mount to this machine.
func listen(t *testing.T, m *mount, o Options) *Server {
	t.Helper()
	return listenAt(t, "127.0.0.1:0", m, o)
}

func listenAt(t *testing.T, address string, m *mount, o Options) *Server {
	t.Helper()
	if o.Writable == nil {
		o.Writable = func() error { return nil }
	}
	o.Log = slog.New(slog.DiscardHandler)
	s, err := Listen(address, m, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}
