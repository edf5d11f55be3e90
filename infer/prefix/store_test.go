package prefix

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"expertfs/infer"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// TestMain has fewer random checks made than rapid does by itself: each of them
// computes. -rapid.checks asks for more.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		writeForever(dir)
	}
	if err := flag.Set("rapid.checks", "10"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// testShape has windows of 8 positions, and is small.
var testShape = &infer.Shape{Sliding: []bool{true, false, true}, Window: 8, Heads: 2, HeadDim: 4, KV: infer.KVBF16}

// openStore opens a store of which nothing is evicted.
func openStore(t *testing.T, dir string, change func(*Options)) *Store {
	t.Helper()
	o := Options{Shape: testShape, Key: id{1}, Model: Model{Name: "test"}, Start: -1, Dir: dir, Disk: 1 << 40, RAM: 1 << 40}
	if change != nil {
		change(&o)
	}
	s, err := Open(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close(context.Background())) })
	return s
}

// content is what the states of these tests hold: bytes that depend on the text up
// to each position.
func content(ids []int, from, to int) *infer.State {
	state := testShape.NewState(from, to)
	for n, part := range state.Parts() {
		for i, piece := range part {
			sum := uint64(n + i)
			for _, t := range ids[:to] {
				sum = sum*31 + uint64(t)
			}
			r := rand.New(rand.NewPCG(sum, uint64(from)))
			for j := range piece {
				piece[j] = byte(r.Uint32())
			}
		}
	}
	return state
}

// keep puts the first end tokens of ids into s.
func keep(s *Store, ids []int, ends ...int) {
	for _, end := range ends {
		s.keep(ids[:end], func(from, to int) *infer.State { return content(ids, from, to) })
	}
}

// requireText checks what s has of ids.
func requireText(t *testing.T, s *Store, ids []int, want int) {
	t.Helper()
	n, states := s.load(context.Background(), ids, len(ids))
	require.Equal(t, want, n)
	for _, st := range states {
		require.Equal(t, content(ids, st.From(), st.To()).Parts(), st.Parts())
	}
}

func count(from, n int) []int {
	ids := make([]int, n)
	for i := range ids {
		ids[i] = from + i
	}
	return ids
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "*", "*"+suffix))
	require.NoError(t, err)
	return all
}

func TestLongestCommonPrefix(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		s := openStore(t, dir, nil)
		ids := count(0, 100)
		keep(s, ids, 30, 36, 60)
		requireText(t, s, ids, 60)
		requireText(t, s, ids[:60], 60)
		requireText(t, s, ids[:59], 59) // for the logits of the last token
		requireText(t, s, ids[:58], 36) // the window there is not known
		requireText(t, s, ids[:33], 33) // in a segment as short as a window
		requireText(t, s, ids[:29], 29)
		requireText(t, s, ids[:28], 0)
		n, _ := s.load(context.Background(), ids, 34)
		require.Equal(t, 34, n)

		branch := append(count(0, 33), count(1000, 40)...)
		keep(s, branch, 70)
		n, states := s.load(context.Background(), branch, 73)
		require.Equal(t, 70, n)
		require.Equal(t, 33, states[len(states)-1].From())
		requireText(t, s, ids, 60)
		requireText(t, s, count(5, 50), 0)
	}
}

func TestStoredTextsOutliveTheProcess(t *testing.T) {
	dir := t.TempDir()
	ids, branch := count(0, 100), append(count(0, 36), count(500, 50)...)
	s := openStore(t, dir, nil)
	keep(s, ids, 30, 36, 60)
	keep(s, branch, 80)
	require.NoError(t, s.Close(context.Background()))
	require.EqualValues(t, 0, s.Stats().Dropped)

	for _, ram := range []int64{0, 1 << 40} {
		s = openStore(t, dir, func(o *Options) { o.RAM = ram })
		requireText(t, s, ids, 60)
		requireText(t, s, branch, 80)
		read := s.Stats().Read
		requireText(t, s, ids, 60)
		require.Equal(t, ram == 0, s.Stats().Read > read)
	}
	requireText(t, openStore(t, dir, func(o *Options) { o.Key = id{2} }), ids, 0)
	for _, f := range append(files(t, dir), filepath.Join(filepath.Dir(files(t, dir)[0]), modelFile)) {
		info, err := os.Stat(f)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), f)
		info, err = os.Stat(filepath.Dir(f))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	}
}

func TestProcessesShareAFolder(t *testing.T) {
	dir := t.TempDir()
	one, two := openStore(t, dir, nil), openStore(t, dir, nil)
	ids := count(0, 100)
	keep(one, ids, 30, 60)
	require.Eventually(t, func() bool { return two.Known(ids, 100) == 60 }, 5*time.Minute, time.Millisecond)
	requireText(t, two, ids, 60)
	keep(two, ids, 90)
	require.Eventually(t, func() bool { return one.Known(ids, 100) == 90 }, 5*time.Minute, time.Millisecond)
	requireText(t, one, ids, 90)

	for _, f := range files(t, dir) { // as another process evicts
		require.NoError(t, os.Remove(f))
	}
	three := openStore(t, dir, nil)
	requireText(t, three, ids, 0)
	require.Eventually(t, func() bool { return two.Known(ids, 100) == 90 }, 5*time.Minute, time.Millisecond, "it is still in RAM")
}

func TestRAMBudget(t *testing.T) {
	one := testShape.NewState(0, 64).Memory()
	for _, dir := range []string{"", t.TempDir()} {
		s := openStore(t, dir, func(o *Options) { o.RAM = 3 * one })
		for i := range 10 {
			keep(s, count(1000*i, 64), 64)
		}
		if dir != "" {
			require.NoError(t, s.Close(context.Background()))
		}
		require.LessOrEqual(t, s.memory, 3*one)
		known := 0
		for i := range 10 {
			if n, _ := s.load(context.Background(), count(1000*i, 64), 64); n == 64 {
				known++
			}
		}
		if dir == "" {
			require.Equal(t, 3, known)
			requireText(t, s, count(9000, 64), 64)
		} else {
			require.Equal(t, 10, known)
		}
		require.LessOrEqual(t, s.memory, 3*one)
	}
}

// TestDiskBudget evicts what was used longest ago, and ends of texts before their
// beginnings.
func TestDiskBudget(t *testing.T) {
	dir := t.TempDir()
	size := testShape.Bytes(0, 64) + 400
	other := openStore(t, dir, func(o *Options) { o.Key = id{9} })
	keep(other, count(0, 64), 64)
	require.NoError(t, other.Close(context.Background()))

	s := openStore(t, dir, func(o *Options) { o.Disk = 5 * size })
	long := count(0, 256)
	keep(s, long, 64, 128)
	for i := 1; i < 5; i++ {
		keep(s, count(1000*i, 64), 64)
		if i == 3 {
			s.Known(long[:64], 64)
		}
	}
	require.NoError(t, s.Close(context.Background()))
	var total int64
	for _, f := range files(t, dir) {
		info, err := os.Stat(f)
		require.NoError(t, err)
		total += info.Size()
	}
	require.LessOrEqual(t, total, 5*size)
	s = openStore(t, dir, nil)
	requireText(t, s, long, 64)
	requireText(t, s, count(4000, 64), 64)
	requireText(t, s, count(1000, 64), 64)
	requireText(t, openStore(t, dir, func(o *Options) { o.Key = id{9} }), count(0, 64), 0)
}

func TestFolderThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := Open(Options{Shape: testShape, Dir: file})
	require.ErrorContains(t, err, "not a directory")

	// One that is not to be written costs what would be stored, and no more.
	dir := filepath.Join(t.TempDir(), "there")
	s := openStore(t, dir, nil)
	require.NoError(t, os.RemoveAll(dir))
	require.NoError(t, os.WriteFile(dir, nil, 0o600))
	keep(s, count(0, 30), 30)
	require.NoError(t, s.Close(context.Background()))
	require.EqualValues(t, 1, s.Stats().Dropped)
	requireText(t, s, count(0, 30), 30)
}

// A folder that is removed while it is in use is made again, with what is in RAM.
func TestFolderThatIsRemoved(t *testing.T) {
	dir, ids := t.TempDir(), count(0, 60)
	s := openStore(t, dir, nil)
	keep(s, ids, 30)
	soon := func(n int) {
		t.Helper()
		require.Eventually(t, func() bool { return len(files(t, dir)) == n }, 5*time.Minute, time.Millisecond)
	}
	soon(1)
	all, err := TakeInventory(dir)
	require.NoError(t, err)
	require.NoError(t, all[0].Remove())
	require.NoDirExists(t, s.dir)
	require.Equal(t, 30, s.Known(ids, 60), "it is still in RAM")
	soon(1)
	keep(s, ids, 60)
	soon(2)
	all, err = TakeInventory(dir)
	require.NoError(t, err)
	require.Equal(t, "test", all[0].Name)
	info, err := os.Stat(s.dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	requireText(t, openStore(t, dir, nil), ids, 60)
}

// Folders of others are left alone, though their names are as long.
func TestFoldersOfOthers(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(dir, strings.Repeat("x", 32))
	require.NoError(t, os.Mkdir(other, 0o700))
	file := filepath.Join(other, temporary+"a")
	require.NoError(t, os.WriteFile(file, []byte("x"), 0o600))
	require.NoError(t, os.Chtimes(file, time.Time{}, time.Now().Add(-time.Hour)))
	all, err := TakeInventory(dir)
	require.NoError(t, err)
	require.Empty(t, all)
	require.FileExists(t, file)
}

func TestPlan(t *testing.T) {
	const start = 7
	prompt := make([]int, 3000)
	for _, at := range []int{0, 20, 60, 110, 900, 1100, 2900} {
		prompt[at] = start
	}
	p := newPlan(128, prompt, start)
	var ends []int
	for at := p.next(0); at < 4000; at = p.next(at) {
		ends = append(ends, at)
	}
	require.Equal(t, "[110 512 900 1100 1536 2048 2560 2900 3000 3584]", fmt.Sprint(ends))
}

// TestClockSetBack: what is used after the clock was set back is newer than what was
// used before, of this model and of others.
func TestClockSetBack(t *testing.T) {
	for _, key := range []id{{1}, {2}} {
		dir := t.TempDir()
		before := openStore(t, dir, func(o *Options) { o.Key = key })
		for i := range 4 {
			keep(before, count(1000*i, 64), 64)
		}
		require.NoError(t, before.Close(context.Background()))
		for i, f := range files(t, dir) {
			at := time.Now().Add(time.Duration(1+i) * time.Hour)
			require.NoError(t, os.Chtimes(f, at, at))
		}
		info, err := os.Stat(files(t, dir)[0])
		require.NoError(t, err)

		s := openStore(t, dir, func(o *Options) { o.Disk = 4*info.Size() + 10 })
		for i := range 4 {
			keep(s, count(10000+1000*i, 64), 64)
		}
		require.NoError(t, s.Close(context.Background()))
		s = openStore(t, dir, nil)
		found := 0
		for i := range 4 {
			n, _ := s.load(context.Background(), count(10000+1000*i, 64), 64)
			found += n
		}
		require.Equal(t, 4*64, found, "key %v", key)
	}
}

// TestTextLargerThanTheFolder: the beginning of a text that has no room is stored,
// once, and nothing is written for the sake of being evicted.
func TestTextLargerThanTheFolder(t *testing.T) {
	dir, ids := t.TempDir(), count(0, 640)
	size := testShape.Bytes(0, 64) + 400
	ends := []int{64, 128, 192, 256, 320, 384, 448, 512, 576, 640}
	s := openStore(t, dir, func(o *Options) { o.Disk = 3 * size })
	keep(s, ids, ends...)
	require.NoError(t, s.Close(context.Background()))
	written := s.Stats().Written
	require.LessOrEqual(t, written, 3*size)
	require.Zero(t, s.Stats().Dropped)

	s = openStore(t, dir, func(o *Options) { o.Disk = 3 * size })
	requireText(t, s, ids, 192)
	keep(s, ids, ends...)
	s.Known(ids, 640)
	require.NoError(t, s.Close(context.Background()))
	require.Zero(t, s.Stats().Written)
	requireText(t, openStore(t, dir, nil), ids, 192)

	s = openStore(t, t.TempDir(), func(o *Options) { o.Disk = 0 })
	keep(s, ids, ends...)
	require.NoError(t, s.Close(context.Background()))
	require.Zero(t, s.Stats().Written)
}
