package infer

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"expertfs"
	"expertfs/infer/weights"
)

// asMount gives a plain tree the control files of a mount, so that what the
// engine reads and writes there can be seen.
func asMount(t *testing.T, tree, ram string) (hints string) {
	t.Helper()
	dir := filepath.Join(tree, expertfs.ControlDir)
	require.NoError(t, os.MkdirAll(dir, 0o755))
	hints = filepath.Join(dir, expertfs.HintsFile)
	require.NoError(t, os.WriteFile(hints, nil, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, expertfs.RAMFile), []byte(ram+"\n"), 0o644))
	return hints
}

func lines(t *testing.T, path, verb string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var found []string
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, verb+" "); ok {
			found = append(found, strings.TrimSpace(rest))
		}
	}
	return found
}

// The mount must see every use: each layer's choice, and which of its experts
// were still mapped and are not opened.
func TestHintsTellWhatIsUsed(t *testing.T) {
	_, tree := randomModel(t, smallConfig(), 3)
	hints := asMount(t, tree, "1GiB")
	e := open(t, tree, Options{Batch: 1})
	var want []string
	mapped := make(map[string]bool)
	var touched []string
	e.SetHooks(Hooks{OnRoute: func(l, _ int, experts []int) {
		var step, touch []string
		for x := range 8 { // hints name them in ascending order
			for _, y := range experts {
				name := fmt.Sprintf("%02d/%02d", l, x)
				if x == y {
					step = append(step, name)
					if mapped[name] {
						touch = append(touch, name)
					}
					mapped[name] = true
				}
			}
		}
		want = append(want, strings.Join(step, " "))
		if touch != nil {
			touched = append(touched, strings.Join(touch, " "))
		}
	}})
	ids := randomIDs(rand.New(rand.NewPCG(1, 2)), 20, 131)
	require.NoError(t, e.NewSession().Append(context.Background(), ids, nil))
	require.Equal(t, want, lines(t, hints, "step"))
	require.Equal(t, touched, lines(t, hints, "touch"))
	require.Len(t, want, 3*20)
	require.NotEmpty(t, touched)
	stats := e.Stats()
	require.EqualValues(t, 3*3*20, stats.Used)
	require.EqualValues(t, len(mapped), stats.Opened)
	require.Zero(t, stats.HintsLost)
}

func TestPrefetchHints(t *testing.T) {
	_, tree := randomModel(t, smallConfig(), 3)
	ids := randomIDs(rand.New(rand.NewPCG(1, 2)), 40, 131)
	for mode, wanted := range map[string]bool{"on": true, "off": false} {
		hints := asMount(t, tree, "100kB")
		e, err := Open(tree, Options{Batch: 1, Prefetch: mode})
		require.NoError(t, err)
		require.NoError(t, e.NewSession().Append(context.Background(), ids, nil))
		prediction := e.Stats().Prediction
		require.NoError(t, e.Close())
		require.Equal(t, wanted, len(lines(t, hints, "prefetch")) > 0, mode)
		require.Zero(t, prediction[0].Guessed, "nothing comes before the first layer")
		for _, p := range prediction[1:] {
			require.Equal(t, wanted, p.Guessed == 3*40, "%s: %+v", mode, p)
			require.Equal(t, wanted, p.Right > 0, "%s: %+v", mode, p)
			require.Equal(t, wanted, p.Hinted >= 3*40, "%s: all of the first guess, and what later ones add: %+v", mode, p)
		}
	}
}

// A layer is guessed from every place before it that there is, and no expert is
// asked for more than twice in a token: from afar, and from the layer before.
func TestGuessesFromAfarAndNear(t *testing.T) {
	_, tree := randomModel(t, smallConfig(), 3)
	hints := asMount(t, tree, "100kB")
	e, err := Open(tree, Options{Batch: 1, Prefetch: "on"})
	require.NoError(t, err)
	require.NoError(t, e.NewSession().Append(context.Background(), randomIDs(rand.New(rand.NewPCG(1, 2)), 40, 131), nil))
	stats := e.Stats()
	require.NoError(t, e.Close())
	for ahead, p := range stats.Ahead {
		guessed := 0
		if ahead > 0 {
			guessed = max(0, smallConfig().Layers-ahead) * 3 * 40
		}
		require.EqualValues(t, guessed, p.Guessed, "%d layers ahead", ahead)
		require.EqualValues(t, guessed, p.Chosen, "%d layers ahead", ahead)
	}
	asked := map[string]int{}
	for _, line := range lines(t, hints, "prefetch") {
		for _, name := range strings.Fields(line) {
			asked[name]++
		}
	}
	for name, n := range asked {
		require.LessOrEqual(t, n, 2*40, name)
	}
}

// Guesses that are mostly wrong are not sent in the long run.
func TestPrefetchEndsWhenUseless(t *testing.T) {
	_, tree := randomModel(t, smallConfig(), 3)
	asMount(t, tree, "100kB")
	e := open(t, tree, Options{Batch: 1, Prefetch: "auto"})
	r := rand.New(rand.NewPCG(3, 4))
	e.SetHooks(Hooks{Route: func(_, _ int, experts []int) { copy(experts, r.Perm(8)) }})
	s := e.NewSession()
	require.NoError(t, s.Append(context.Background(), randomIDs(r, 100, 131), nil))
	before := e.Stats()
	require.NoError(t, s.Append(context.Background(), randomIDs(r, 100, 131), nil))
	for l, p := range e.Stats().Sub(before).Prediction[1:] {
		require.Positive(t, p.Guessed, "layer %d", l+1)
		require.Zero(t, p.Hinted, "layer %d: %+v", l+1, p)
	}
}

func TestKeptMappingsAreBounded(t *testing.T) {
	_, tree := randomModel(t, smallConfig(), 3)
	const limit = 100_000 // five experts
	e := open(t, tree, Options{Batch: 1, MapBytes: limit})
	s := e.NewSession()
	for range 5 {
		require.NoError(t, s.Append(context.Background(), randomIDs(rand.New(rand.NewPCG(1, 2)), 10, 131), nil))
		require.LessOrEqual(t, e.experts.keptBytes, int64(limit))
		require.Positive(t, e.experts.keptBytes)
		require.Equal(t, len(e.experts.kept), e.experts.recent.Len())
	}
}

func TestKeepFollowsTheBudget(t *testing.T) {
	_, tree := randomModel(t, smallConfig(), 3)
	ids := randomIDs(rand.New(rand.NewPCG(1, 2)), askEvery, 131)
	asMount(t, tree, "1GiB")
	e := open(t, tree, Options{Batch: 1})
	s := e.NewSession()
	require.NoError(t, s.Append(context.Background(), ids, nil))
	require.Positive(t, e.experts.keptBytes)
	asMount(t, tree, "100kB")
	require.NoError(t, s.Append(context.Background(), ids, nil))
	require.Zero(t, e.experts.keptBytes, "the mount needs its memory")
}

func TestKeepBytes(t *testing.T) {
	const all, cycle = 1000, 100
	for budget, want := range map[int64]int64{
		5000: math.MaxInt64, 1000: math.MaxInt64, 999: 799, 750: 550, 749: 0, 50: 0,
	} {
		require.Equal(t, want, keepBytes(budget, all, cycle), "budget %d", budget)
	}
}

// While a plain folder's pages are taken away, mapped experts are brought back
// before they are used, and those that cannot be are an error.
func TestMappedExpertsAreBroughtBack(t *testing.T) {
	_, tree := randomModel(t, smallConfig(), 3)
	ids := randomIDs(rand.New(rand.NewPCG(1, 2)), 30, 131)
	e := open(t, tree, Options{Batch: 1})
	want := allLogits(t, e.NewSession(), ids)
	opened := e.Stats().Opened
	e.experts.refaults.left = math.MaxInt
	require.Equal(t, want, allLogits(t, e.NewSession(), ids))
	require.Equal(t, opened, e.Stats().Opened)
	paths, err := filepath.Glob(filepath.Join(tree, "layers", "01", "experts", "*"))
	require.NoError(t, err)
	for _, path := range paths {
		require.NoError(t, os.Truncate(path, 0))
	}
	err = e.NewSession().Append(context.Background(), ids, nil)
	require.ErrorContains(t, err, "layer 1")
	require.ErrorContains(t, err, "a page cannot be read")
}

// busyMount answers EBUSY, as a mount does, when room experts are open already.
type busyMount struct {
	mu   sync.Mutex
	load func(layer, expert int) (*weights.Expert, error)
	room int
	busy int // answers
}

func (m *busyMount) expert(layer, expert int) (*weights.Expert, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if openExperts() >= m.room {
		m.busy++
		return nil, &os.PathError{Op: "open", Path: "expert", Err: unix.EBUSY}
	}
	return m.load(layer, expert)
}

// openExperts counts the experts that this process has open.
func openExperts() int {
	count := 0
	links, _ := filepath.Glob("/proc/self/fd/*")
	for _, link := range links {
		if path, err := os.Readlink(link); err == nil && filepath.Base(filepath.Dir(path)) == "experts" {
			count++
		}
	}
	return count
}

// A mount with room for fewer experts than a token uses is slow, and not wrong;
// one without any room is an error.
func TestBusyMount(t *testing.T) {
	_, tree := randomModel(t, smallConfig(), 3)
	ids := randomIDs(rand.New(rand.NewPCG(1, 2)), 30, 131)
	want := allLogits(t, open(t, tree, Options{MapBytes: MapNone}).NewSession(), ids)
	for _, batch := range []int{1, 16} {
		for _, room := range []int{1, 2, 5} {
			e, err := Open(tree, Options{Batch: batch, Threads: 2})
			require.NoError(t, err)
			m := &busyMount{load: e.experts.load, room: room}
			e.experts.load = m.expert
			require.Equal(t, want, allLogits(t, e.NewSession(), ids), "batch %d, room %d", batch, room)
			require.Positive(t, m.busy)
			require.Less(t, e.experts.keep.limit, int64(math.MaxInt64), "it keeps fewer")
			require.NoError(t, e.Close())
		}
	}
	e := open(t, tree, Options{})
	m := &busyMount{load: e.experts.load}
	e.experts.load = m.expert
	require.ErrorIs(t, e.NewSession().Append(context.Background(), ids, nil), unix.EBUSY)
}
