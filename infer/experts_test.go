package infer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"expertfs"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
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
	e.SetHooks(Hooks{OnRoute: func(_ *Session, l, _ int, experts []int) {
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
		require.Zero(t, prediction[0].Predicted, "nothing comes before the first layer")
		for _, p := range prediction[1:] {
			require.Equal(t, wanted, p.Predicted == 3*40, "%s: %+v", mode, p)
			require.Equal(t, wanted, p.Right > 0, "%s: %+v", mode, p)
			require.Equal(t, wanted, p.Hinted >= 3*40, "%s: all of the first prediction, and what later ones add: %+v", mode, p)
		}
	}
}

// A layer is predicted from every place before it that there is, and no expert is
// asked for more than twice in a token: from afar, and from the layer before.
func TestPredictionsFromAfarAndNear(t *testing.T) {
	_, tree := randomModel(t, smallConfig(), 3)
	hints := asMount(t, tree, "100kB")
	e, err := Open(tree, Options{Batch: 1, Prefetch: "on"})
	require.NoError(t, err)
	require.NoError(t, e.NewSession().Append(context.Background(), randomIDs(rand.New(rand.NewPCG(1, 2)), 40, 131), nil))
	stats := e.Stats()
	require.NoError(t, e.Close())
	for ahead, p := range stats.Ahead {
		predicted := 0
		if ahead > 0 {
			predicted = max(0, smallConfig().Layers-ahead) * 3 * 40
		}
		require.EqualValues(t, predicted, p.Predicted, "%d layers ahead", ahead)
		require.EqualValues(t, predicted, p.Chosen, "%d layers ahead", ahead)
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

// Predictions that are mostly wrong are not sent in the long run.
func TestPrefetchEndsWhenUseless(t *testing.T) {
	_, tree := randomModel(t, smallConfig(), 3)
	asMount(t, tree, "100kB")
	e := open(t, tree, Options{Batch: 1, Prefetch: "auto"})
	r := rand.New(rand.NewPCG(3, 4))
	e.SetHooks(Hooks{Route: func(_ *Session, _, _ int, experts []int) { copy(experts, r.Perm(8)) }})
	s := e.NewSession()
	require.NoError(t, s.Append(context.Background(), randomIDs(r, 100, 131), nil))
	before := e.Stats()
	require.NoError(t, s.Append(context.Background(), randomIDs(r, 100, 131), nil))
	for l, p := range e.Stats().Sub(before).Prediction[1:] {
		require.Positive(t, p.Predicted, "layer %d", l+1)
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
		require.LessOrEqual(t, e.Stats().Kept, int64(limit))
		require.Positive(t, e.Stats().Kept)
	}
}

func TestKeepFollowsTheBudget(t *testing.T) {
	_, tree := randomModel(t, smallConfig(), 3)
	ids := randomIDs(rand.New(rand.NewPCG(1, 2)), 200, 131)
	asMount(t, tree, "1GiB")
	e := open(t, tree, Options{Batch: 1})
	s := e.NewSession()
	require.NoError(t, s.Append(context.Background(), ids, nil))
	require.Positive(t, e.Stats().Kept)
	asMount(t, tree, "100kB")
	require.NoError(t, s.Append(context.Background(), ids, nil))
	require.Zero(t, e.Stats().Kept, "the mount needs its memory")
}

// busyMount answers EBUSY, as a mount does, when room experts are open already.
type busyMount struct {
	mu    sync.Mutex
	files *expertfs.Opener
	room  int
	busy  int // answers
}

func newBusyMount(tree string, room int) *busyMount {
	c := smallConfig()
	return &busyMount{files: expertfs.NewOpener(tree, expertfs.Names{Layers: c.Layers, Experts: c.Experts}), room: room}
}

func (m *busyMount) open(k expertfs.Key) (*expertfs.ExpertFile, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if openExperts() >= m.room {
		m.busy++
		return nil, unix.EBUSY
	}
	return m.files.Open(k)
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
	asMount(t, tree, "1GiB")
	ids := randomIDs(rand.New(rand.NewPCG(1, 2)), 30, 131)
	want := allLogits(t, open(t, tree, Options{MapBytes: MapNone}).NewSession(), ids)
	for _, batch := range []int{1, 16} {
		for _, room := range []int{1, 2, 5} {
			m := newBusyMount(tree, room)
			e, err := Open(tree, Options{Batch: batch, Threads: 2, openExpert: m.open})
			require.NoError(t, err)
			require.Equal(t, want, allLogits(t, e.NewSession(), ids), "batch %d, room %d", batch, room)
			require.Positive(t, m.busy)
			require.NoError(t, e.Close())
		}
	}
	m := newBusyMount(tree, 0)
	e := open(t, tree, Options{openExpert: m.open})
	require.ErrorIs(t, e.NewSession().Append(context.Background(), ids, nil), unix.EBUSY)
}

// Experts of a few tokens are asked for at once: none waits for another one to be
// computed, and those that are mapped do not stand before those that are not.
func TestStepOpensItsExpertsAtOnce(t *testing.T) {
	c := smallConfig()
	c.Layers, c.Sliding = 1, []bool{false}
	_, tree := randomModel(t, c, 3)
	var mu sync.Mutex
	used, opened := map[int]bool{}, map[int]bool{}
	all := make(chan struct{})
	files := expertfs.NewOpener(tree, expertfs.Names{Layers: c.Layers, Experts: c.Experts})
	defer files.Close()
	e := open(t, tree, Options{openExpert: func(k expertfs.Key) (*expertfs.ExpertFile, error) {
		mu.Lock()
		opened[int(k.Expert)] = true
		if len(opened) == len(used) {
			close(all)
		}
		mu.Unlock()
		select {
		case <-all:
		case <-time.After(time.Minute):
			return nil, errors.New("some experts were not asked for")
		}
		return files.Open(k)
	}})
	e.SetHooks(Hooks{OnRoute: func(_ *Session, _, _ int, experts []int) {
		mu.Lock()
		defer mu.Unlock()
		for _, x := range experts {
			used[x] = true
		}
	}})
	var pieces []Piece
	for i := range 8 {
		pieces = append(pieces, Piece{Session: e.NewSession(), IDs: []int{7 * i}})
	}
	require.NoError(t, e.Run(context.Background(), pieces...))
	require.Greater(t, len(used), c.TopK)
}
