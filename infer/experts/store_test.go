package experts

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"expertfs"
	"expertfs/infer/mapped"
	"expertfs/infer/mapped/mappedtest"

	"github.com/stretchr/testify/require"
)

var names = expertfs.Names{Layers: 2, Experts: 8}

const size = 5000 // of each expert

var slot = int(wholePages(size)) // what it takes

// content is what an expert's file holds.
func content(k expertfs.Key) []byte {
	return bytes.Repeat([]byte{byte(k.Layer), byte(k.Expert)}, size/2)
}

// makeTree writes the experts of a model as a plain tree.
func makeTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for l := range names.Layers {
		for x := range names.Experts {
			k := expertfs.NewKey(l, x)
			path := filepath.Join(dir, names.ExpertPath(k))
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			require.NoError(t, os.WriteFile(path, content(k), 0o644))
		}
	}
	return dir
}

// asMount gives a plain tree the control files of a mount.
func asMount(t *testing.T, dir, ram string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, expertfs.ControlDir), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, expertfs.ControlPath(expertfs.HintsFile)), nil, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, expertfs.ControlPath(expertfs.RAMFile)), []byte(ram+"\n"), 0o644))
}

// open makes a store whose experts are their bytes.
func open(t *testing.T, o Options) *Store[[]byte] {
	t.Helper()
	o.Names, o.TopK, o.Arena = names, 2, mapped.NewArena()
	s, err := Open(o, func(_ expertfs.Key, f *mapped.File) ([]byte, error) { return f.Data, nil })
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		require.NoError(t, o.Arena.Close())
	})
	return s
}

// use runs one token that uses the experts of a layer, and checks their bytes.
func use(t *testing.T, s *Store[[]byte], layer int, experts ...int) error {
	t.Helper()
	if err := s.Begin(t.Context(), 1); err != nil {
		return err
	}
	s.Announce(layer, experts)
	for _, x := range experts {
		s.Request(expertfs.NewKey(layer, x))
	}
	seen := make(map[expertfs.Key]bool)
	for range experts {
		x, err := s.Next(true)
		if err != nil {
			return errors.Join(err, s.Abandon())
		}
		require.True(t, bytes.Equal(content(x.Key), x.Value), "%v", x.Key)
		require.False(t, seen[x.Key])
		seen[x.Key] = true
		s.Release(x)
	}
	x, err := s.Next(false)
	require.NoError(t, err)
	require.Nil(t, x, "there are no more")
	return s.End(0)
}

func TestExpertsStayMappedUpToTheLimit(t *testing.T) {
	s := open(t, Options{Dir: makeTree(t), Keep: int64(3 * slot)})
	for round := range 3 {
		require.NoError(t, use(t, s, 0, 1, 2))
		require.EqualValues(t, 2, s.Stats().Opened, "round %d", round)
	}
	for _, x := range []int{1, 2, 3, 4} { // one by one, so that their order is known
		require.NoError(t, use(t, s, 0, x))
	}
	require.EqualValues(t, 4, s.Stats().Opened)
	require.EqualValues(t, 3*slot, s.Stats().Kept)
	require.Equal(t, len(s.mapped), s.idle.Len())
	require.NoError(t, use(t, s, 0, 2))
	require.EqualValues(t, 4, s.Stats().Opened)
	require.NoError(t, use(t, s, 0, 1))
	require.EqualValues(t, 5, s.Stats().Opened, "the one unused for longest had to go")
}

func TestNothingStaysMapped(t *testing.T) {
	s := open(t, Options{Dir: makeTree(t), Keep: KeepNone})
	for range 3 {
		require.NoError(t, use(t, s, 0, 1, 2))
	}
	require.EqualValues(t, 6, s.Stats().Opened)
	require.Zero(t, s.Stats().Kept)
}

// Steps and touches come before the opens that they announce.
func TestMountIsToldWhatIsUsed(t *testing.T) {
	dir := makeTree(t)
	asMount(t, dir, "1GiB")
	hints := filepath.Join(dir, expertfs.ControlPath(expertfs.HintsFile))
	files := expertfs.NewOpener(dir, names)
	defer files.Close()
	var mu sync.Mutex
	var seen []string // lines there were at each open
	s := open(t, Options{Dir: dir, Open: func(k expertfs.Key) (*expertfs.ExpertFile, error) {
		mu.Lock()
		defer mu.Unlock()
		text, err := os.ReadFile(hints)
		seen = append(seen, string(text))
		if err != nil {
			return nil, err
		}
		return files.Open(k)
	}})
	require.NoError(t, use(t, s, 0, 1, 2))
	require.NoError(t, use(t, s, 0, 2, 3))
	require.NoError(t, use(t, s, 0, 2, 3))
	first, second := "step 00/01 00/02\n", "step 00/02 00/03\ntouch 00/02\n"
	require.Equal(t, []string{first, first, first + second}, seen)
	text, err := os.ReadFile(hints)
	require.NoError(t, err)
	require.Equal(t, first+second+"step 00/02 00/03\ntouch 00/02 00/03\n", string(text))
}

// While a plain folder's pages are taken away, mapped experts are brought back
// before they are used, and those that cannot be are an error.
func TestMappedExpertsAreBroughtBack(t *testing.T) {
	mappedtest.NeedFaults(t)
	dir := makeTree(t)
	s := open(t, Options{Dir: dir})
	require.NoError(t, use(t, s, 1, 0, 1))
	s.refaults.left = math.MaxInt
	require.NoError(t, use(t, s, 1, 0, 1))
	require.EqualValues(t, 2, s.Stats().Opened)
	path := filepath.Join(dir, names.ExpertPath(expertfs.NewKey(1, 1)))
	require.NoError(t, os.Truncate(path, 0))
	err := use(t, s, 1, 1)
	require.ErrorContains(t, err, "a page cannot be read")
	require.ErrorContains(t, err, path)
	require.NoError(t, os.WriteFile(path, content(expertfs.NewKey(1, 1)), 0o644))
	require.NoError(t, use(t, s, 1, 0, 1), "it is opened again")
	require.EqualValues(t, 3, s.Stats().Opened)
}

// An error of one expert leaves the store as good as before.
func TestAbandonGivesBack(t *testing.T) {
	dir := makeTree(t)
	s := open(t, Options{Dir: dir})
	path := filepath.Join(dir, names.ExpertPath(expertfs.NewKey(0, 3)))
	require.NoError(t, os.Remove(path))
	require.ErrorIs(t, use(t, s, 0, 0, 1, 2, 3, 4, 5), os.ErrNotExist)
	require.Equal(t, len(s.mapped), s.idle.Len())
	require.NoError(t, use(t, s, 0, 0, 1, 2, 4, 5))
	require.EqualValues(t, 5, s.Stats().Opened)
}

// What decode says is what the user hears, a fault in it too, and nothing stays
// mapped.
func TestDecodeThatFails(t *testing.T) {
	mappedtest.NeedFaults(t)
	dir := makeTree(t)
	arena := mapped.NewArena()
	strange := errors.New("a strange file")
	s, err := Open(Options{Dir: dir, Names: names, TopK: 2, Arena: arena}, func(k expertfs.Key, f *mapped.File) (byte, error) {
		if k.Expert == 1 {
			return 0, strange
		}
		if err := os.Truncate(f.Path, 0); err != nil {
			return 0, err
		}
		return f.Data[0], nil
	})
	require.NoError(t, err)
	for x, want := range []string{"cannot be read any more", strange.Error()} {
		require.NoError(t, s.Begin(t.Context(), 1))
		s.Request(expertfs.NewKey(0, x))
		_, err := s.Next(true)
		require.ErrorContains(t, err, want)
		require.NoError(t, s.Abandon())
	}
	maps, err := os.ReadFile("/proc/self/maps")
	require.NoError(t, err)
	require.False(t, strings.Contains(string(maps), dir), "%s", maps)
	require.NoError(t, s.Close())
	require.NoError(t, arena.Close())
}

func TestOpenNeedsAnExpert(t *testing.T) {
	_, err := Open(Options{Dir: t.TempDir(), Names: names}, func(expertfs.Key, *mapped.File) (int, error) { return 0, nil })
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, fmt.Sprint(names.Expert(0)))
}
