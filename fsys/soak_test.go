package fsys_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"syscall"
	"testing"
	"time"

	"expertfs"
	"expertfs/policy"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// soakEnv is how long TestSoak runs; it is short unless asked to be long.
const soakEnv = "EXPERTFS_SOAK"

// readerEnv makes the test binary a reader of TestSoak.
const readerEnv = "EXPERTFS_TEST_READER"

// readerConfig tells a reader what to read.
type readerConfig struct {
	Checkpoint, Point string
	Seed              uint64
}

// TestSoak has 8 processes read random files in all ways, through a cache of an
// eighth of the experts and from a drive with faults. Some keep mappings of files
// that they have closed; half of them announce and predict steps. Meanwhile readers
// are killed at random, and budget and policy change. No byte may be wrong, nothing
// may hang, the budget holds, and all is given back.
func TestSoak(t *testing.T) {
	length := time.Second
	if text, ok := os.LookupEnv(soakEnv); ok {
		var err error
		length, err = time.ParseDuration(text)
		require.NoError(t, err)
	}
	const slots, readers = 16, 8
	s := mount(t, serverConfig{Slots: slots, Faults: 0.02, MaxWait: 200 * time.Millisecond})
	full := s.report().Cache.Budget
	running := make([]*exec.Cmd, readers)
	next := uint64(0)
	start := func(i int) {
		running[i] = soakReader(t, s, next)
		next++
	}
	for i := range running {
		start(i)
	}
	random := rand.New(rand.NewPCG(7, 7))
	// However short the time is, it goes on until the cache has had work.
	worked := false
	for end := time.Now().Add(length); time.Now().Before(end) || !worked; {
		require.Less(t, time.Since(end), patience, "no hits or no evictions")
		i := random.IntN(readers)
		require.NoError(t, running[i].Process.Kill())
		require.NoError(t, wasKilled(running[i].Wait()))
		start(i)
		switch random.IntN(4) {
		case 0:
			require.NoError(t, s.write("ram", fmt.Sprint(full*int64(4+random.IntN(5))/8)))
		case 1:
			require.NoError(t, s.write("policy", policy.Names()[random.IntN(len(policy.Names()))]))
		case 2:
			require.NoError(t, s.write("hints", fmt.Sprintf("prefetch %d/%d", random.IntN(4), random.IntN(32))))
		}
		c := s.report().Cache
		worked = c.Evictions > 0 && c.Hits > 0
		require.LessOrEqual(t, c.PeakBytes, full)
		require.LessOrEqual(t, c.KernelBytes, full)
		require.LessOrEqual(t, expertMemory(s.cmd.Process.Pid, s.report().ExpertSize), full)
	}
	for _, cmd := range running {
		require.NoError(t, cmd.Process.Kill())
		require.NoError(t, wasKilled(cmd.Wait()))
	}
	require.Eventually(t, func() bool {
		r := s.report()
		for _, reader := range r.Readers {
			if reader.PID != 0 && reader.PID != os.Getpid() {
				return false
			}
		}
		c := r.Cache
		return c.HeldBytes == 0 && c.MappedBytes == 0 && c.Waiting == 0
	}, patience, 10*time.Millisecond)
	c := s.report().Cache
	t.Logf("%v: %d readers, %d hits, %d misses, %d evictions, failed loads %v", length, next, c.Hits, c.Misses, c.Evictions, c.Errors)
}

// wasKilled returns nil when a process was ended by SIGKILL.
func wasKilled(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return nil
	}
	return fmt.Errorf("a reader ended by itself: %w", err)
}

func soakReader(t *testing.T, s *server, seed uint64) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(readerConfig{"embed:tiny", s.point, seed})
	require.NoError(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), readerEnv+"="+string(text), "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	return cmd
}

// runReader reads until it is killed or finds a wrong byte.
func runReader(text string) error {
	var c readerConfig
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return err
	}
	m, err := loadModel(c.Checkpoint)
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(c.Seed, 3))
	names := make([]string, 0, len(m.files))
	for name := range m.files {
		if name != "dense/embedding.safetensors" { // a mapping of which raises SIGBUS when the drive fails
			names = append(names, name)
		}
	}
	socket := expertfs.NewOpener(c.Point, m.names())
	defer socket.Close()
	hints := newHinter(c, random)
	var kept []byte // the mapping of a file that is closed
	var keptName string
	use := func(name string) error {
		k, expert := m.names().ParseExpertPath(name)
		switch {
		case random.IntN(4) == 0:
			if kept != nil {
				if !bytes.Equal(m.files[keptName], kept) {
					return wrongBytes(keptName + " under its mapping")
				}
				if err := unix.Munmap(kept); err != nil {
					return err
				}
				kept = nil
			}
			mapped, err := mapFile(filepath.Join(c.Point, name))
			kept, keptName = mapped, name
			return err
		case expert && random.IntN(4) == 0:
			got, err := readDescriptor(socket, k, true)
			if err == nil && !bytes.Equal(m.files[name], got) {
				return wrongBytes("descriptor of " + name)
			}
			return err
		}
		w := ways[random.IntN(len(ways))]
		got, err := w.read(filepath.Join(c.Point, name))
		if err == nil && !bytes.Equal(m.files[name], got) {
			return wrongBytes(w.name + " of " + name)
		}
		return err
	}
	for {
		name := names[random.IntN(len(names))]
		err := withFaults(func() error { return use(name) })
		if err == nil {
			err = hints.write()
		}
		if err != nil && !errors.Is(err, unix.EIO) && !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.ENOMEM) {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
}

type wrongBytes string

func (w wrongBytes) Error() string { return "wrong bytes: " + string(w) }

// withFaults turns a fault of a mapping into EIO: an expert that is served from
// the drive, because others hold all slots, fails in the mapping as the drive does.
func withFaults(do func() error) (err error) {
	debug.SetPanicOnFault(true)
	defer func() {
		if fault, ok := recover().(runtime.Error); ok {
			err = fmt.Errorf("%w: %v", unix.EIO, fault)
		}
	}()
	return do()
}

// hinter writes what a program that predicts would: steps of its own, touches and
// prefetches. Every other reader does.
type hinter struct {
	c      readerConfig
	random *rand.Rand
	file   *os.File
	share  *os.File
	layer  int
}

func newHinter(c readerConfig, random *rand.Rand) *hinter { return &hinter{c: c, random: random} }

func (h *hinter) write() (err error) {
	if h.c.Seed%2 == 1 {
		return nil
	}
	if h.file == nil {
		if h.file, err = os.OpenFile(filepath.Join(h.c.Point, expertfs.ControlPath(expertfs.HintsFile)), os.O_WRONLY, 0); err != nil {
			return err
		}
		if h.share, err = os.Open(filepath.Join(h.c.Point, expertfs.ControlPath(expertfs.ShareFile))); err != nil {
			return err
		}
	}
	keys := func(layer int) (list []expertfs.Key) {
		for _, e := range h.random.Perm(32)[:4] {
			list = append(list, expertfs.NewKey(layer, e))
		}
		return list
	}
	var text []byte
	text = tinyNames.AppendHint(text, expertfs.Step, keys(h.layer)...)
	h.layer = (h.layer + 1) % tinyNames.Layers
	text = tinyNames.AppendHint(text, expertfs.Prefetch, keys(h.layer)...)
	text = tinyNames.AppendHint(text, expertfs.Touch, keys(h.layer)...)
	if _, err := h.file.Write(text); err != nil {
		return err
	}
	_, err = h.share.ReadAt(make([]byte, 64), 0)
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
