package fsys_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"expertfs"
	"expertfs/checkpoint"
	"expertfs/checkpoint/checkpointtest"
	"expertfs/checkpoint/config"
	"expertfs/checkpoint/layout"
	"expertfs/checkpoint/synth"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// model is a checkpoint and what its mount has to show: the bytes of every
// file, put together from the checkpoint's views without the cache.
type model struct {
	path  string
	ck    *checkpoint.Checkpoint
	files map[string][]byte // by path below the mount point
}

func openModel(t testing.TB, path string) *model {
	t.Helper()
	m, err := loadModel(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.ck.Close()) })
	return m
}

func loadModel(path string) (*model, error) {
	ck, err := checkpoint.Open(path)
	if err != nil {
		return nil, err
	}
	files, err := checkpointtest.Files(ck)
	return &model{path, ck, files}, err
}

// bigModel has experts of more than 2 MiB, so that slots can have huge pages.
func bigModel(t *testing.T) *model {
	t.Helper()
	c, err := config.Preset("tiny")
	require.NoError(t, err)
	c.SetLayers(2)
	c.Experts, c.Hidden, c.Intermediate = 8, 1024, 1408
	dir := filepath.Join(t.TempDir(), "model")
	require.NoError(t, synth.Write(context.Background(), dir, synth.Options{Config: c, Seed: 1, Layout: layout.HuggingFace}))
	return openModel(t, dir)
}

// A way of reading a file whole.
type way struct {
	name string
	read func(path string) ([]byte, error)
}

var ways = []way{{"pread", os.ReadFile}, {"mmap", readMapped}, {"direct", readDirect}}

// readMapped reads through a mapping that outlives the descriptor.
func readMapped(path string) ([]byte, error) {
	mem, err := mapFile(path)
	if err != nil {
		return nil, err
	}
	return bytes.Clone(mem), unix.Munmap(mem)
}

// mapFile maps a file and closes it.
func mapFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return mapOpen(f)
}

// mapOpen maps all of an open file.
func mapOpen(f *os.File) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
}

// readDirect reads with O_DIRECT, into memory aligned as drives want it.
func readDirect(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECT, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	buf, err := unix.Mmap(-1, 0, 256<<10, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, err
	}
	defer unix.Munmap(buf)
	var all bytes.Buffer
	_, err = io.CopyBuffer(&all, struct{ io.Reader }{f}, buf)
	return all.Bytes(), err
}

// compare reads every file of the mount in random order by the given ways and
// readers, each of them rounds times.
func (m *model) compare(s *server, ways []way, readers, rounds int, check func() error) error {
	var group errgroup.Group
	for r := range readers {
		group.Go(func() error {
			order := rand.New(rand.NewPCG(uint64(r), 1))
			names := make([]string, 0, len(m.files))
			for name := range m.files {
				names = append(names, name)
			}
			for range rounds {
				order.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
				for _, name := range names {
					w := ways[order.IntN(len(ways))]
					got, err := w.read(s.path(name))
					if err != nil {
						return fmt.Errorf("%s of %s: %w", w.name, name, err)
					}
					if !bytes.Equal(got, m.files[name]) {
						return fmt.Errorf("%s of %s: wrong bytes", w.name, name)
					}
				}
				if err := check(); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// TestEveryByte reads the whole tree with 8 readers in all ways at once, through
// a cache of a tenth of the experts, by every mechanism. The residents must
// stay within the budget by the cache's books, by the kernel's, and as seen from
// outside: by the memory that the server's descriptors stand for.
func TestEveryByte(t *testing.T) {
	tiny := openModel(t, "embed:tiny")
	tenth := int64(tiny.ck.Config().Layers*tiny.ck.Config().Experts) / 10
	for _, c := range []struct {
		name   string
		config serverConfig
	}{
		{"best", serverConfig{}},
		{"plain tmpfs", serverConfig{NoHuge: true}},
		{"memfd", serverConfig{Memfd: true}},
		{"direct", serverConfig{Mechanism: expertfs.Direct}},
		{"cached", serverConfig{Mechanism: expertfs.Cached}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.config.Slots = tenth
			tiny.compareWithin(t, c.config, 1)
		})
	}
	t.Run("one processor", func(t *testing.T) {
		tiny.compareWithin(t, serverConfig{Slots: tenth}, 1, "GOMAXPROCS=1")
		tiny.compareWithin(t, serverConfig{Slots: tenth, Mechanism: expertfs.Direct}, 1, "GOMAXPROCS=1")
	})
	t.Run("huge pages", func(t *testing.T) {
		if testing.Short() {
			t.Skip("writes a checkpoint of 45 MB")
		}
		bigModel(t).compareWithin(t, serverConfig{Slots: 9}, 1)
	})
}

func (m *model) compareWithin(t *testing.T, c serverConfig, rounds int, env ...string) {
	t.Helper()
	c.Checkpoint = m.path
	s := mount(t, c, env...)
	budget := c.Slots * slotBytes(m.ck.ExpertSize())
	within := func() error {
		report, err := s.readReport()
		if err != nil {
			return err
		}
		r := report.Cache
		seen := expertMemory(s.cmd.Process.Pid, m.ck.ExpertSize())
		if r.Used > budget || r.PeakBytes > budget || seen > budget || !c.Memfd && r.KernelBytes > budget {
			return fmt.Errorf("budget %d exceeded: used %d, peak %d, by the kernel %d, seen from outside %d",
				budget, r.Used, r.PeakBytes, r.KernelBytes, seen)
		}
		return nil
	}
	require.NoError(t, m.compare(s, ways, 8, rounds, within))
	require.Positive(t, s.report().Cache.Evictions)
}
