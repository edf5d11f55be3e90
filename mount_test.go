package expertfs_test

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"expertfs"
	"expertfs/checkpoint/checkpointtest"
	"expertfs/fsys/mountpoint"

	"github.com/stretchr/testify/require"
)

// TestMain skips the examples that need a mount where there can be none: an
// example cannot skip itself. It takes down what they have mounted.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := cannotMount(); err != nil {
		const examples = "^Example($|Mount)"
		fmt.Printf("skipped: examples %s: %v\n", examples, err)
		skip := flag.Lookup("test.skip").Value
		if skip.String() != "" {
			skip.Set(skip.String() + "|" + examples)
		} else {
			skip.Set(examples)
		}
	}
	code := m.Run()
	if err := unmountTiny(); err != nil {
		fmt.Println(err)
		code = 1
	}
	os.Exit(code)
}

// cannotMount tells why the tests cannot mount anything.
func cannotMount() error {
	if _, err := exec.LookPath("go"); err != nil {
		return fmt.Errorf("cannot build expertfs: %w", err)
	}
	return mountpoint.Possible()
}

// tiny is the mount of embed:tiny, once a test has asked for it.
var tiny struct {
	once         sync.Once
	dir, program string
	err          error
}

// mountTiny mounts embed:tiny and returns where.
func mountTiny() string {
	t := &tiny
	t.once.Do(func() {
		if t.dir, t.err = os.MkdirTemp("", "expertfs-contract-*"); t.err != nil {
			return
		}
		t.program = filepath.Join(t.dir, "expertfs")
		point := filepath.Join(t.dir, "mnt")
		t.err = os.Mkdir(point, 0o755)
		for _, args := range [][]string{
			{"go", "build", "-buildvcs=false", "-o", t.program, "expertfs/cmd/expertfs"},
			{t.program, "mount", "--ram", "1MiB", "--policy", "lru", "embed:tiny", point},
		} {
			if t.err != nil {
				return
			}
			var out []byte
			if out, t.err = exec.Command(args[0], args[1:]...).CombinedOutput(); t.err != nil {
				t.err = fmt.Errorf("%v: %w: %s", args, t.err, out)
			}
		}
	})
	if t.err != nil {
		panic(t.err)
	}
	return filepath.Join(t.dir, "mnt")
}

func unmountTiny() error {
	if tiny.dir == "" {
		return nil
	}
	if tiny.err == nil {
		if out, err := exec.Command(tiny.program, "umount", filepath.Join(tiny.dir, "mnt")).CombinedOutput(); err != nil {
			return fmt.Errorf("umount: %w: %s", err, out)
		}
	}
	return os.RemoveAll(tiny.dir)
}

func needMount(t *testing.T) string {
	t.Helper()
	if err := cannotMount(); err != nil {
		t.Skip("cannot mount here: ", err)
	}
	return mountTiny()
}

// tree writes a copy of what a mount shows.
func tree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, checkpointtest.WriteTree(dir, "embed:tiny"))
	return dir
}

// TestMountsAndCopiesAreAlike: what is read is the same, and only a mount counts.
func TestMountsAndCopiesAreAlike(t *testing.T) {
	plain, err := expertfs.Open(tree(t))
	require.NoError(t, err)
	mounted, err := expertfs.Open(needMount(t))
	require.NoError(t, err)
	require.Equal(t, expertfs.Names{Layers: 4, Experts: 32}, plain.Names())
	require.Equal(t, plain.Names(), mounted.Names())
	k := expertfs.NewKey(3, 31)
	var contents [2][]byte
	for i, m := range []*expertfs.Mount{plain, mounted} {
		e, err := m.OpenExpert(k)
		require.NoError(t, err)
		size, err := e.Size()
		require.NoError(t, err)
		contents[i] = make([]byte, size)
		_, err = e.ReadAt(contents[i], 0)
		require.NoError(t, err)
		require.NoError(t, e.Close())
		require.NoError(t, m.Hint(expertfs.Step, k))
		_, err = m.OpenExpert(expertfs.NewKey(4, 0))
		require.ErrorIs(t, err, fs.ErrNotExist)
	}
	require.Equal(t, contents[0], contents[1])

	_, err = plain.Stats()
	require.ErrorIs(t, err, expertfs.ErrNotMounted)
	_, err = plain.Budget()
	require.ErrorIs(t, err, expertfs.ErrNotMounted)
	budget, err := mounted.Budget()
	require.NoError(t, err)
	require.EqualValues(t, 1<<20, budget)
	s, err := mounted.Stats()
	require.NoError(t, err)
	require.Equal(t, mounted.Names(), s.Names())
	require.Equal(t, int64(len(contents[0])), s.ExpertSize)
	require.Positive(t, s.Cache.Misses)
	for _, m := range []*expertfs.Mount{plain, mounted} {
		require.NoError(t, m.Close())
		require.NoError(t, m.Close())
		require.ErrorIs(t, m.Hint(expertfs.Step, k), os.ErrClosed)
	}
}

func TestOpenErrors(t *testing.T) {
	_, err := expertfs.Open(t.TempDir())
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "is neither a mount nor a folder copied from one")
	dir := tree(t)
	require.NoError(t, os.Remove(filepath.Join(dir, "layers/00/experts/30.safetensors")))
	_, err = expertfs.Open(dir)
	require.ErrorContains(t, err, "layers/00/experts has 31 entries, and 31.safetensors is not one of as many: is the copy complete?")
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "layers")))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "layers"), 0o755))
	_, err = expertfs.Open(dir)
	require.ErrorContains(t, err, "layers is empty")

	require.NoError(t, os.Mkdir(filepath.Join(dir, expertfs.ControlDir), 0o755))
	for _, name := range []string{expertfs.StatsJSONFile, expertfs.RAMFile} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, expertfs.ControlPath(name)), []byte("{"), 0o644))
	}
	_, err = expertfs.ReadStats(dir)
	require.ErrorContains(t, err, ".expertfs/stats.json: ")
	_, err = expertfs.ReadBudget(dir)
	require.ErrorContains(t, err, `.expertfs/ram: size "{"`)
}
