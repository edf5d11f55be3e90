package fsys_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"expertfs"
	"expertfs/checkpoint"
	"expertfs/fsys"
	"expertfs/fsys/mountpoint"
	"expertfs/tiers"
	"expertfs/tiers/nvme"
	"expertfs/tiers/ram"

	"github.com/stretchr/testify/require"
)

// A process must not read a mount that it serves itself, so every mount of
// these tests is served by a second process: the test binary, started again and
// told by this variable, a serverConfig in JSON, what to serve.
const serverEnv = "EXPERTFS_TEST_SERVER"

// patience turns a hang into a failure.
const patience = 2 * time.Minute

func TestMain(m *testing.M) {
	ram.Helper()
	// What the binary does in place of tests, by the variable that tells it how.
	for _, role := range []struct {
		name, env string
		run       func(string) error
	}{
		{"server", serverEnv, runServer}, {"opener", openerEnv, runOpener}, {"reader", readerEnv, runReader},
		{"program", programEnv, runProgram}, {"count", countEnv, runCount},
	} {
		text, ok := os.LookupEnv(role.env)
		if !ok {
			continue
		}
		if err := role.run(text); err != nil {
			fmt.Fprintln(os.Stderr, role.name+":", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(runTests(m))
}

// runTests fails when tests leave mounts of theirs behind.
func runTests(m *testing.M) int {
	code := m.Run()
	mounts, err := mountpoint.List()
	if err != nil {
		panic(err)
	}
	for _, mount := range mounts {
		if strings.HasSuffix(mount.Point, testFolder) {
			fmt.Println("left mounted:", mount.Point)
			code = 1
		}
	}
	return code
}

// testFolder is the name of every mount point of this run.
var testFolder = fmt.Sprintf("expertfs-tests-%d", os.Getpid())

// serverConfig tells a server what to mount and how.
type serverConfig struct {
	Checkpoint string
	Point      string
	Slots      int64 // budget in experts; 0 for all
	DenseBytes int64 // bound on dense files; 0 for none
	Mechanism  expertfs.Mechanism
	Memfd      bool
	NoHuge     bool
	AllowOther bool
	ReadOnly   bool
	MaxWait    time.Duration

	Gate   string  // while this file exists, reads of the drive wait
	Fail   string  // while this file exists, reads of the drive fail
	Faults float64 // share of the drive's reads that fail, are short or take long
}

// runServer serves until its stdin ends.
func runServer(text string) error {
	var c serverConfig
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: c.logLevel()}))
	ck, err := checkpoint.Open(c.Checkpoint)
	if err != nil {
		return err
	}
	cache, err := fsys.NewCache(ck, c.cacheOptions(ck, log))
	if err != nil {
		return err
	}
	fs, err := fsys.Mount(c.Point, cache, ck, fsys.Options{
		AllowOther: c.AllowOther, ReadOnly: c.ReadOnly, Mechanism: c.Mechanism, Version: "test", Log: log,
	})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	if err := fs.Unmount(); err != nil {
		return err
	}
	fs.Wait()
	if n := fs.Stats().Requests; n.OpenHandles != 0 || n.Panics != 0 {
		return fmt.Errorf("at the end: %+v", n)
	}
	return errors.Join(cache.Close(), ck.Close())
}

func (c serverConfig) cacheOptions(ck *checkpoint.Checkpoint, log *slog.Logger) tiers.Options {
	slots := c.Slots
	if slots == 0 {
		slots = int64(ck.Config().Layers * ck.Config().Experts)
	}
	o := tiers.Options{
		Budget: slots * slotBytes(ck.ExpertSize()), DenseBytes: c.DenseBytes, Memfd: c.Memfd, NoHuge: c.NoHuge, MaxWait: c.MaxWait, Log: log,
	}
	o.NVMe.Wrap = func(s nvme.Source) nvme.Source { return badDrive{s, c} }
	return o
}

// logLevel keeps a log of injected faults short.
func (c serverConfig) logLevel() slog.Level {
	if c.Faults > 0 {
		return slog.LevelError + 1
	}
	return slog.LevelError
}

// slotBytes is what an expert takes in RAM: whole pages.
func slotBytes(size int64) int64 {
	page := int64(os.Getpagesize())
	return (size + page - 1) / page * page
}

// badDrive is a drive that the tests make slow or broken.
type badDrive struct {
	nvme.Source
	c serverConfig
}

func (d badDrive) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	for exists(d.c.Gate) {
		time.Sleep(time.Millisecond)
	}
	if exists(d.c.Fail) {
		return 0, syscall.EIO
	}
	if rand.Float64() < d.c.Faults {
		switch rand.IntN(4) {
		case 0:
			return 0, syscall.EIO
		case 1:
			return 0, syscall.ENOMEM
		case 2:
			n, err := d.Source.ReadAt(ctx, p, off)
			return n / 2, err
		}
		time.Sleep(rand.N(10 * time.Millisecond))
	}
	return d.Source.ReadAt(ctx, p, off)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return path != "" && err == nil
}

// server is a mount and the process that serves it.
type server struct {
	t     testing.TB
	point string
	cmd   *exec.Cmd
	stop  io.Closer
	ended chan error
	log   bytes.Buffer // valid when the server has ended
}

// needFUSE skips a test where nothing can be mounted.
func needFUSE(t testing.TB) {
	t.Helper()
	if err := mountpoint.Possible(); err != nil {
		t.Skip("cannot mount here: ", err)
	}
}

// mount starts a server; the test's end unmounts and fails the test unless the
// server leaves in good order.
func mount(t testing.TB, c serverConfig, env ...string) *server {
	t.Helper()
	needFUSE(t)
	if c.Checkpoint == "" {
		c.Checkpoint = "embed:tiny"
	}
	if c.Point == "" {
		dir, err := filepath.EvalSymlinks(t.TempDir())
		require.NoError(t, err)
		c.Point = filepath.Join(dir, testFolder)
		require.NoError(t, os.Mkdir(c.Point, 0o755))
	}
	text, err := json.Marshal(c)
	require.NoError(t, err)
	s := &server{t: t, point: c.Point, cmd: exec.Command(os.Args[0]), ended: make(chan error, 1)}
	// A binary with the race detector sleeps for a second at its end, by default.
	s.cmd.Env = append(append(os.Environ(), serverEnv+"="+string(text), "GORACE=atexit_sleep_ms=0"), env...)
	s.cmd.Stderr = &s.log
	s.stop, err = s.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := s.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, s.cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	go func() { s.ended <- s.cmd.Wait() }()
	t.Cleanup(func() {
		defer s.detach()
		s.unmount()
		if t.Failed() {
			t.Logf("the server's log:\n%s", s.log.Bytes())
		}
	})
	require.NoError(t, err, "the server did not mount")
	require.Equal(t, "ready\n", line)
	return s
}

// unmount ends the server, unless it has ended.
func (s *server) unmount() {
	s.t.Helper()
	if s.ended == nil {
		return
	}
	require.NoError(s.t, s.stop.Close())
	select {
	case err := <-s.ended:
		require.NoError(s.t, err)
	case <-time.After(patience):
		s.kill()
		s.t.Error("the server does not end")
	}
	s.ended = nil
}

// kill ends the server as a crash does.
func (s *server) kill() {
	s.t.Helper()
	require.NoError(s.t, s.cmd.Process.Kill())
	<-s.ended
	s.ended = nil
}

// detach takes down what is still mounted when a test has failed or has killed
// its server.
func (s *server) detach() {
	s.t.Helper()
	if _, err := mountpoint.Find(s.point); err == nil {
		require.NoError(s.t, mountpoint.Unmount(s.point, true))
	}
}

// tinyNames spells the tree of embed:tiny.
var tinyNames = expertfs.Names{Layers: 4, Experts: 32}

func (s *server) path(name ...string) string {
	return filepath.Join(append([]string{s.point}, name...)...)
}

func (s *server) expert(layer, expert int) string {
	return s.path(tinyNames.ExpertPath(expertfs.NewKey(layer, expert)))
}

func (s *server) control(name string) string { return s.path(expertfs.ControlPath(name)) }

// report reads the server's figures.
func (s *server) report() expertfs.Stats {
	s.t.Helper()
	r, err := s.readReport()
	require.NoError(s.t, err)
	return r
}

// readReport is report for goroutines that may not end the test.
func (s *server) readReport() (r expertfs.Stats, err error) {
	text, err := os.ReadFile(s.control(expertfs.StatsJSONFile))
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(text, &r)
}
