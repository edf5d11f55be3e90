package ram

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// readerEnv makes the test binary a reader: see holdMapping.
const readerEnv = "EXPERTFS_TEST_READER"

func TestMain(m *testing.M) {
	Helper()
	if os.Getenv(readerEnv) != "" {
		holdMapping()
		return
	}
	if os.Getenv(mechanismEnv) != "" {
		tellMechanism()
		return
	}
	goleak.VerifyTestMain(m)
}

// holdMapping is a reader that maps the file behind descriptor 3, closes
// every descriptor of it, and reports the first byte for each line on stdin.
func holdMapping() {
	fd, err := unix.Open("/proc/self/fd/3", unix.O_RDONLY, 0)
	check(err)
	check(unix.Close(3))
	var st unix.Stat_t
	check(unix.Fstat(fd, &st))
	mem, err := unix.Mmap(fd, 0, int(st.Size), unix.PROT_READ, unix.MAP_SHARED)
	check(err)
	check(unix.Close(fd))
	fmt.Printf("%c\n", mem[0])
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		fmt.Printf("%c\n", mem[0])
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// reader is a child process that maps a slot without a descriptor of it.
type reader struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startReader(t *testing.T, s *Slot) *reader {
	// The child opens the file anew: what it inherits is our own open file,
	// which counts as ours.
	dup, err := unix.Dup(s.Fd())
	require.NoError(t, err)
	file := os.NewFile(uintptr(dup), "slot")
	defer file.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), readerEnv+"=1", "GORACE=atexit_sleep_ms=0")
	cmd.ExtraFiles = []*os.File{file}
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	r := &reader{t: t, cmd: cmd, in: in, out: bufio.NewReader(out)}
	require.NotEmpty(t, r.line())
	return r
}

func (r *reader) line() string {
	line, err := r.out.ReadString('\n')
	require.NoError(r.t, err)
	return line
}

// sees asks the reader for the first byte of its mapping.
func (r *reader) sees() string {
	_, err := io.WriteString(r.in, "\n")
	require.NoError(r.t, err)
	return r.line()[:1]
}

func (r *reader) stop() {
	r.in.Close()
	require.NoError(r.t, r.cmd.Wait())
}

// tiers runs a test with every mechanism that can be had here.
func tiers(t *testing.T, limit int64, test func(t *testing.T, tier *Tier)) {
	for name, o := range map[string]Options{
		"best": {}, "no huge pages": {NoHuge: true}, "memfd": {Memfd: true},
	} {
		t.Run(name, func(t *testing.T) {
			o.Limit = limit
			tier, err := Open(o)
			require.NoError(t, err)
			defer func() { require.NoError(t, tier.Close()) }()
			m, why := tier.Mechanism()
			t.Logf("%v (%s)", m, why)
			test(t, tier)
		})
	}
}

func TestAReaderThatMapsAndHasClosedHoldsTheSlot(t *testing.T) {
	tiers(t, 0, func(t *testing.T, tier *Tier) {
		s, err := tier.NewSlot(3 << 20)
		require.NoError(t, err)
		defer s.Close()
		s.Bytes()[0] = 'A'
		require.True(t, s.Idle(), "our own descriptor and mapping must not count")
		r := startReader(t, s)
		require.False(t, s.Idle())
		require.Equal(t, "A", r.sees())
		r.stop()
		require.True(t, s.Idle())
	})
}

func TestAClosedSlotLivesOnForItsReaderAndStaysCharged(t *testing.T) {
	tier, err := Open(Options{})
	require.NoError(t, err)
	defer tier.Close()
	if m, why := tier.Mechanism(); m == Memfd {
		t.Skip("needs a tmpfs of our own: ", why)
	}
	s, err := tier.NewSlot(1 << 20)
	require.NoError(t, err)
	s.Bytes()[0] = 'A'
	r := startReader(t, s)
	size := s.Allocated()
	s.Close()
	requireUsed(t, tier, size)
	require.Equal(t, "A", r.sees())
	r.stop()
	requireUsed(t, tier, 0)
}

func TestASealedSlotCannotBeChanged(t *testing.T) {
	tiers(t, 0, func(t *testing.T, tier *Tier) {
		s, err := tier.NewSlot(3 << 20)
		require.NoError(t, err)
		defer s.Close()
		s.Bytes()[1] = 'A'
		require.False(t, s.Sealed())
		require.NoError(t, s.Seal())
		require.True(t, s.Sealed())
		require.Equal(t, byte('A'), s.Bytes()[1])
		require.True(t, s.Idle())
		require.Panics(t, func() {
			defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
			s.Bytes()[1] = 'B'
		})
		if m, _ := tier.Mechanism(); m == Memfd {
			_, err := unix.Pwrite(s.Fd(), []byte("B"), 1)
			require.ErrorIs(t, err, unix.EPERM)
			_, err = unix.Mmap(s.Fd(), 0, 4096, unix.PROT_WRITE, unix.MAP_SHARED)
			require.ErrorIs(t, err, unix.EPERM)
		}
	})
}

// TestPagesInAPipeOutliveTheirSlot moves pages of a slot into a pipe, closes the
// slot, and makes another in its room.
func TestPagesInAPipeOutliveTheirSlot(t *testing.T) {
	tiers(t, 2<<20, func(t *testing.T, tier *Tier) {
		fill := func(b byte) *Slot {
			s, err := tier.NewSlot(2 << 20)
			require.NoError(t, err)
			for i := range s.Bytes() {
				s.Bytes()[i] = b
			}
			require.NoError(t, s.Seal())
			return s
		}
		s := fill('A')
		r, w, err := os.Pipe()
		require.NoError(t, err)
		defer r.Close()
		defer w.Close()
		off := int64(1 << 20)
		n, err := unix.Splice(s.Fd(), &off, int(w.Fd()), nil, 8192, 0)
		require.NoError(t, err)
		require.True(t, s.Idle(), "a pipe is not seen")
		s.Close()
		requireUsed(t, tier, 0)
		defer fill('B').Close()
		got := make([]byte, n)
		_, err = io.ReadFull(r, got)
		require.NoError(t, err)
		require.Equal(t, strings.Repeat("A", int(n)), string(got))
	})
}

func TestSlotsAreChargedWhatTheyTake(t *testing.T) {
	tiers(t, 0, func(t *testing.T, tier *Tier) {
		page := int64(os.Getpagesize())
		var total int64
		for _, size := range []int64{1, page, page + 1, 30_000, 2 << 20, 13_240_576} {
			s, err := tier.NewSlot(size)
			require.NoError(t, err)
			defer s.Close()
			require.Equal(t, size, s.Size())
			require.Equal(t, (size+page-1)/page*page, s.Allocated())
			total += s.Allocated()
			for i := range s.Bytes() {
				s.Bytes()[i] = 1
			}
			requireUsed(t, tier, total)
		}
	})
}

func TestTheKernelEnforcesTheLimit(t *testing.T) {
	tier, err := Open(Options{Limit: 4 << 20})
	require.NoError(t, err)
	defer tier.Close()
	if m, why := tier.Mechanism(); m == Memfd || tier.unlimited {
		t.Skip("needs a limit that the kernel enforces: ", why)
	}
	a, err := tier.NewSlot(3 << 20)
	require.NoError(t, err)
	_, err = tier.NewSlot(3 << 20)
	require.ErrorIs(t, err, unix.ENOSPC)
	var shortage *ShortageError
	require.ErrorAs(t, err, &shortage)
	require.ErrorContains(t, err, "3145728 bytes")
	requireUsed(t, tier, 3<<20)

	require.ErrorIs(t, tier.SetLimit(2<<20), unix.EINVAL, "below what is in use")
	prepared, err := tier.Prepare(3 << 20)
	require.NoError(t, err, "what is prepared takes no memory")
	requireUsed(t, tier, 3<<20)
	require.ErrorIs(t, prepared.Allocate(), unix.ENOSPC)
	prepared.Close()
	requireUsed(t, tier, 3<<20)
	require.NoError(t, tier.SetLimit(6<<20))
	b, err := tier.NewSlot(3 << 20)
	require.NoError(t, err)
	b.Close()
	require.NoError(t, tier.SetLimit(3<<20))
	_, err = tier.NewSlot(1)
	require.ErrorIs(t, err, unix.ENOSPC)
	a.Close()
	requireUsed(t, tier, 0)
}

func TestLackOfDescriptorsIsAShortage(t *testing.T) {
	tiers(t, 0, func(t *testing.T, tier *Tier) {
		var had unix.Rlimit
		require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &had))
		require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: had.Max}))
		_, err := tier.NewSlot(1)
		require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &had))
		var shortage *ShortageError
		require.ErrorAs(t, err, &shortage)
		require.Equal(t, unix.EMFILE, shortage.Err)
		require.ErrorContains(t, err, "ulimit -n")
	})
}

// mechanismEnv makes the test binary one that opens a tier, makes a slot, and
// prints what it is made of.
const mechanismEnv = "EXPERTFS_TEST_MECHANISM"

func tellMechanism() {
	tier, err := Open(Options{})
	check(err)
	s, err := tier.NewSlot(10_000)
	check(err)
	s.Close()
	m, why := tier.Mechanism()
	fmt.Printf("%v (%s)\n", m, why)
	check(tier.Close())
}

// TestAUserNamespaceWithoutOurGroup is what unshare(1) makes unless told more: a
// tmpfs can be mounted there, and no file be made in it.
func TestAUserNamespaceWithoutOurGroup(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), mechanismEnv+"=1")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
	}
	out, err := cmd.Output()
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EUSERS) {
		t.Skip("no user namespaces here: ", err)
	}
	require.NoError(t, err)
	require.Contains(t, string(out), "memfd (a tmpfs of our own takes no files: ")
}

// TestANewSlotWaitsForMemoryOnItsWay has a reference to a slot that no lease sees,
// as a process has in the moment when it lets go of a file.
func TestANewSlotWaitsForMemoryOnItsWay(t *testing.T) {
	tier, err := Open(Options{Limit: 1 << 20})
	require.NoError(t, err)
	defer tier.Close()
	if m, why := tier.Mechanism(); m == Memfd || tier.unlimited {
		t.Skip("needs a limit that the kernel enforces: ", why)
	}
	// A busy machine may let go of the memory when the wait is over, so one wait of
	// several that is long enough will do.
	waited := false
	for attempt := 0; attempt < 20 && !waited; attempt++ {
		s, err := tier.NewSlot(1 << 20)
		require.NoError(t, err)
		reference, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", s.Fd()), unix.O_PATH|unix.O_CLOEXEC, 0)
		require.NoError(t, err)
		require.True(t, s.Idle())
		s.Close()
		requireUsed(t, tier, 1<<20)
		_, err = tier.NewSlot(1 << 20)
		require.ErrorIs(t, err, unix.ENOSPC, "it does not wait for long")
		released := make(chan struct{})
		time.AfterFunc(2*time.Millisecond, func() { unix.Close(reference); close(released) })
		if s, err = tier.NewSlot(1 << 20); err == nil {
			waited = true
			s.Close()
		} else {
			require.ErrorIs(t, err, unix.ENOSPC)
		}
		<-released
	}
	require.True(t, waited)
}

func requireUsed(t *testing.T, tier *Tier, want int64) {
	t.Helper()
	used, err := tier.Used()
	require.NoError(t, err)
	require.Equal(t, want, used)
}
