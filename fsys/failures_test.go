package fsys_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"syscall"
	"testing"
	"time"

	"expertfs"
	"expertfs/fsys/mountpoint"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func itoa(n int) string { return strconv.Itoa(n) }

// newSwitch makes the name of a file that the test creates to set a switch of
// the server's drive.
func newSwitch(t *testing.T) string { return filepath.Join(t.TempDir(), "switch") }

func set(t *testing.T, name string) { require.NoError(t, os.WriteFile(name, nil, 0o644)) }

func TestFailedLoads(t *testing.T) {
	m := openModel(t, "embed:tiny")
	fail := newSwitch(t)
	s := mount(t, serverConfig{Fail: fail})
	want, err := os.ReadFile(s.expert(0, 0))
	require.NoError(t, err)
	set(t, fail)
	for _, name := range []string{s.expert(0, 1), s.path("layers/00/dense.safetensors"), s.path("dense/unembedding.safetensors")} {
		_, err = os.Open(name)
		require.ErrorIs(t, err, unix.EIO, name)
	}
	_, err = os.ReadFile(s.path("dense/embedding.safetensors"))
	require.ErrorIs(t, err, unix.EIO)
	_, err = readDirect(s.path("layers/01/dense.safetensors"))
	require.ErrorIs(t, err, unix.EIO)
	mem, err := mapFile(s.path("dense/embedding.safetensors"))
	require.NoError(t, err)
	require.True(t, faults(mem), "a mapping of it raises SIGBUS")
	require.NoError(t, unix.Munmap(mem))
	got, err := os.ReadFile(s.expert(0, 0))
	require.NoError(t, err, "what is in RAM needs no drive")
	require.Equal(t, want, got)
	require.Positive(t, s.report().Cache.Errors["EIO"])

	require.NoError(t, os.Remove(fail))
	require.NoError(t, m.compare(s, ways, 1, 1, func() error { return nil }))
}

// faults tells whether touching memory raises SIGBUS.
func faults(mem []byte) (yes bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() { yes = recover() != nil }()
	return bytes.Count(mem, []byte{0}) < 0
}

func TestBusyWhenAllSlotsAreHeld(t *testing.T) {
	s := mount(t, serverConfig{Slots: 5, MaxWait: 50 * time.Millisecond})
	var open []*os.File
	for e := range 5 {
		f, err := os.Open(s.expert(0, e))
		require.NoError(t, err)
		defer f.Close()
		open = append(open, f)
	}
	_, err := os.Open(s.expert(1, 0))
	require.ErrorIs(t, err, unix.EBUSY)
	again, err := os.Open(s.expert(0, 2))
	require.NoError(t, err, "residents can be opened still")
	require.NoError(t, again.Close())
	require.NoError(t, open[3].Close())
	require.Eventually(t, func() bool {
		f, err := os.Open(s.expert(1, 0))
		if err == nil {
			require.NoError(t, f.Close())
		}
		return err == nil
	}, patience, 10*time.Millisecond)
}

// reader starts a program that reads a file, in a process of its own.
func reader(t *testing.T, path string) (*exec.Cmd, io.Reader) {
	t.Helper()
	cmd := exec.Command("cat", path)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	return cmd, out
}

// TestSignalsWhileALoadIsWaitedFor: a signal that does not kill must not fail an
// open; one that kills must end the reader at once, and the load must go on.
func TestSignalsWhileALoadIsWaitedFor(t *testing.T) {
	m := openModel(t, "embed:tiny")
	gate := newSwitch(t)
	s := mount(t, serverConfig{Gate: gate})
	set(t, gate)
	loading := func() bool { return s.report().Cache.LoadingBytes > 0 }

	// A Go program signals its own threads to preempt them; here it is done from
	// outside. cat ignores SIGURG and SIGWINCH by default, but stopping and
	// continuing it interrupts its waits.
	patient, out := reader(t, s.expert(0, 0))
	require.Eventually(t, loading, patience, time.Millisecond)
	for range 20 {
		require.NoError(t, patient.Process.Signal(unix.SIGSTOP))
		require.NoError(t, patient.Process.Signal(unix.SIGCONT))
	}
	doomed := make([]*exec.Cmd, 0, 2)
	for i, signal := range []syscall.Signal{unix.SIGKILL, unix.SIGTERM} {
		cmd, _ := reader(t, s.expert(0, 1+i))
		require.Eventually(t, func() bool {
			c := s.report().Cache
			return c.LoadingBytes == int64(2+i)*c.SlotBytes
		}, patience, time.Millisecond)
		require.NoError(t, cmd.Process.Signal(signal))
		doomed = append(doomed, cmd)
	}
	for _, cmd := range doomed {
		err := cmd.Wait() // with the gate still closed
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit)
		require.True(t, exit.Sys().(syscall.WaitStatus).Signaled(), err)
	}
	require.NoError(t, os.Remove(gate))
	got, err := io.ReadAll(out)
	require.NoError(t, err)
	require.NoError(t, patient.Wait())
	require.Equal(t, m.files["layers/00/experts/00.safetensors"], got)
	for e := 1; e <= len(doomed); e++ {
		require.Eventually(t, func() bool { return s.xattr(0, e, "tier") == "ram" }, patience, time.Millisecond,
			"the load goes on without those who were killed")
	}
}

// TestOpensByBusyGoPrograms opens absent experts from a program whose threads
// are preempted by signals all the time.
func TestOpensByBusyGoPrograms(t *testing.T) {
	m := openModel(t, "embed:tiny")
	s := mount(t, serverConfig{Slots: 8})
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-stop:
				return
			default:
				// A signal to the process, as the runtime sends them to threads.
				_ = unix.Kill(os.Getpid(), unix.SIGURG)
			}
		}
	}()
	require.NoError(t, m.compare(s, ways, 4, 1, func() error { return nil }))
}

// TestServerKilled: readers of a dead mount get errors and do not hang, the dead
// mount is recognised, and the folder can be mounted on again.
func TestServerKilled(t *testing.T) {
	m := openModel(t, "embed:tiny")
	gate := newSwitch(t)
	s := mount(t, serverConfig{Gate: gate})
	f, err := os.Open(s.expert(0, 0))
	require.NoError(t, err)
	defer f.Close()
	mem, err := unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ, unix.MAP_SHARED)
	require.NoError(t, err)
	passthrough := s.report().Mechanism == expertfs.Passthrough

	set(t, gate)
	waiting, _ := reader(t, s.expert(0, 1))
	require.Eventually(t, func() bool { return s.report().Cache.LoadingBytes > 0 }, patience, time.Millisecond)
	s.kill()
	require.Error(t, waiting.Wait(), "a reader that waits gets an error")

	require.True(t, mountpoint.Dead(s.point))
	require.ErrorIs(t, mountpoint.Check(s.point), expertfs.ErrDead)
	_, err = os.Open(s.expert(0, 2))
	require.ErrorIs(t, err, unix.ENOTCONN)
	if passthrough {
		require.Equal(t, m.files["layers/00/experts/00.safetensors"][:4096], mem, "what is mapped stays")
	}
	require.NoError(t, unix.Munmap(mem))
	require.NoError(t, f.Close())
	require.NoError(t, mountpoint.Unmount(s.point, false))
	require.False(t, mountpoint.Dead(s.point))
	again := mount(t, serverConfig{Point: s.point})
	require.NoError(t, m.compare(again, ways, 1, 1, func() error { return nil }))
}

// TestReadersKilled: what a reader held is released when it dies.
func TestReadersKilled(t *testing.T) {
	s := mount(t, serverConfig{})
	holder := exec.Command("sh", "-c", `exec 3<"$0"; echo open; read x`, s.expert(0, 0))
	_, err := holder.StdinPipe()
	require.NoError(t, err)
	out, err := holder.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, holder.Start())
	_, err = bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Positive(t, s.report().Cache.HeldBytes)
	require.ErrorIs(t, mountpoint.Unmount(s.point, false), mountpoint.ErrBusy)
	holders := mountpoint.Holders(s.point)
	require.Len(t, holders, 1)
	require.Equal(t, holder.Process.Pid, holders[0].PID)
	require.Equal(t, "open file layers/00/experts/00.safetensors", holders[0].How)

	require.NoError(t, holder.Process.Kill())
	var exit *exec.ExitError
	require.True(t, errors.As(holder.Wait(), &exit))
	require.Eventually(t, func() bool { return s.report().Cache.HeldBytes == 0 }, patience, 10*time.Millisecond)
}

// TestShortageOfDescriptors: a server that may open no more files is short of
// something, as one without memory is. The drive is not to blame.
func TestShortageOfDescriptors(t *testing.T) {
	s := mount(t, serverConfig{MaxWait: 50 * time.Millisecond})
	pid := s.cmd.Process.Pid
	fds, err := os.ReadDir("/proc/" + itoa(pid) + "/fd")
	require.NoError(t, err)
	var had unix.Rlimit
	require.NoError(t, unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &had))
	limit := unix.Rlimit{Cur: uint64(len(fds)) + 8, Max: had.Max}
	require.NoError(t, unix.Prlimit(pid, unix.RLIMIT_NOFILE, &limit, nil))
	var open []*os.File
	for e := 0; err == nil && e < 32; e++ {
		var f *os.File
		if f, err = os.Open(s.expert(0, e)); err == nil {
			defer f.Close()
			open = append(open, f)
		}
	}
	require.ErrorIs(t, err, unix.ENOMEM)
	_, err = os.Open(s.path(".expertfs", "rounded", "unembedding.safetensors"))
	require.ErrorIs(t, err, unix.ENOMEM)
	_, err = os.ReadFile(s.path("dense", "unembedding.safetensors"))
	require.NoError(t, err, "it is read from the drive")
	require.NotZero(t, s.report().Cache.Errors["EMFILE"])
	// The room of an expert that is let go suffices for another.
	require.NoError(t, open[0].Close())
	f, err := os.Open(s.expert(1, 0))
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, unix.Prlimit(pid, unix.RLIMIT_NOFILE, &had, nil))
	require.Eventually(t, func() bool { // the next try is after a second
		f, err := os.Open(s.expert(1, 1))
		if err == nil {
			require.NoError(t, f.Close())
		}
		return err == nil
	}, patience, 50*time.Millisecond)
}
