package fsys_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"expertfs"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// opener is one of a mount that uses the socket alone: the test fails when it had
// to open a file.
func (s *server) opener(t *testing.T, m *model) *expertfs.Opener {
	t.Helper()
	o := expertfs.NewOpener(s.point, m.names())
	t.Cleanup(func() {
		o.Close()
		_, files := o.Opens()
		require.Zero(t, files)
	})
	return o
}

// everyMemory runs a test on mounts whose slots are made of different things.
func everyMemory(t *testing.T, c serverConfig, test func(t *testing.T, c serverConfig)) {
	for name, change := range map[string]func(*serverConfig){
		"best":   func(*serverConfig) {},
		"direct": func(c *serverConfig) { c.Mechanism = expertfs.Direct },
		"memfd":  func(c *serverConfig) { c.Mechanism, c.Memfd = expertfs.Direct, true },
	} {
		t.Run(name, func(t *testing.T) {
			c := c
			change(&c)
			test(t, c)
		})
	}
}

// TestDescriptors reads all experts by 8 readers at once, by descriptors from the
// socket, through a cache of a tenth of them.
func TestDescriptors(t *testing.T) {
	m := openModel(t, "embed:tiny")
	everyMemory(t, serverConfig{Slots: 12}, func(t *testing.T, c serverConfig) {
		s := mount(t, c)
		o := s.opener(t, m)
		var group errgroup.Group
		const readers = 8
		for r := range readers {
			group.Go(func() error {
				order := rand.New(rand.NewPCG(uint64(r), 1))
				for _, i := range order.Perm(4 * 32) {
					k := expertfs.NewKey(i/32, i%32)
					got, err := readDescriptor(o, k, i%2 == 0)
					if err == nil && !bytes.Equal(m.files[m.names().ExpertPath(k)], got) {
						err = errors.New("wrong bytes of " + k.String())
					}
					if err != nil {
						return err
					}
				}
				return nil
			})
		}
		require.NoError(t, group.Wait())
		after := s.report()
		require.Equal(t, int64(readers*4*32), after.Requests.Descriptors)
		require.Equal(t, after.Cache.Uses.Total(), after.Requests.Descriptors)
		require.Positive(t, after.Cache.Evictions)
		text, err := os.ReadFile(s.control(expertfs.StatsFile))
		require.NoError(t, err)
		require.Contains(t, string(text), "# opens: 1024 by the socket, 0 of files\n")
		require.Contains(t, string(text), "expertfs_descriptors_total 1024\n")
		require.LessOrEqual(t, after.Cache.PeakBytes, after.Cache.Budget)
		require.Eventually(t, func() bool { return s.report().Cache.HeldBytes == 0 }, patience, time.Millisecond)
	})
}

func readDescriptor(o *expertfs.Opener, k expertfs.Key, mapped bool) ([]byte, error) {
	f, err := o.Open(k)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if !mapped {
		return io.ReadAll(f)
	}
	mem, err := mapOpen(f.File)
	if err != nil {
		return nil, err
	}
	return bytes.Clone(mem), unix.Munmap(mem)
}

func TestDescriptorsCannotBeWrittenTo(t *testing.T) {
	m := openModel(t, "embed:tiny")
	everyMemory(t, serverConfig{}, func(t *testing.T, c serverConfig) {
		f, err := mount(t, c).opener(t, m).Open(expertfs.NewKey(1, 1))
		require.NoError(t, err)
		defer f.Close()
		cannotBeWritten(t, f.File, c.Memfd)
	})
}

// cannotBeWritten tries to write to a descriptor of the mount's memory, as it is and
// opened anew: only a memfd is sealed, root may open any other file.
func cannotBeWritten(t *testing.T, f *os.File, memfd bool) {
	t.Helper()
	_, err := f.WriteAt([]byte("x"), 0)
	require.ErrorIs(t, err, unix.EBADF)
	_, err = unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	require.ErrorIs(t, err, unix.EACCES)
	if !memfd {
		return
	}
	again, err := os.OpenFile("/proc/self/fd/"+itoa(int(f.Fd())), os.O_RDWR, 0)
	require.NoError(t, err)
	defer again.Close()
	_, err = again.WriteAt([]byte("x"), 0)
	require.ErrorIs(t, err, unix.EPERM, "it is sealed")
}

// TestDescriptorsOutliveEviction maps experts and closes them, so that the
// kernel's test alone keeps them, and drives everything else through the cache.
func TestDescriptorsOutliveEviction(t *testing.T) {
	m := openModel(t, "embed:tiny")
	everyMemory(t, serverConfig{Slots: 12}, func(t *testing.T, c serverConfig) {
		s := mount(t, c)
		o := s.opener(t, m)
		mapped := map[expertfs.Key][]byte{}
		for e := range 4 {
			k := expertfs.NewKey(1, e)
			f, err := o.Open(k)
			require.NoError(t, err)
			mapped[k], err = mapOpen(f.File)
			require.NoError(t, err)
			require.NoError(t, f.Close())
		}
		require.Eventually(t, func() bool {
			c := s.report().Cache
			return c.HeldBytes == 0 && c.MappedBytes == 4*c.SlotBytes
		}, patience, time.Millisecond)
		for i := range 3 * 32 {
			_, err := readDescriptor(o, expertfs.NewKey(i%3, i/3), true)
			require.NoError(t, err)
		}
		for k, mem := range mapped {
			require.True(t, bytes.Equal(m.files[m.names().ExpertPath(k)], mem), k)
			require.NoError(t, unix.Munmap(mem))
		}
		require.Eventually(t, func() bool { return s.report().Cache.MappedBytes == 0 }, patience, time.Millisecond)
	})
}

// TestDescriptorsHoldSlots: what is opened and not closed is pinned, what is in
// the socket still is in use, and who leaves lets go.
func TestDescriptorsHoldSlots(t *testing.T) {
	m := openModel(t, "embed:tiny")
	s := mount(t, serverConfig{Slots: 4, MaxWait: 50 * time.Millisecond})
	o := s.opener(t, m)
	var open []*expertfs.ExpertFile
	for e := range 4 {
		f, err := o.Open(expertfs.NewKey(0, e))
		require.NoError(t, err)
		open = append(open, f)
	}
	slot := s.report().Cache.SlotBytes
	require.Equal(t, 4*slot, s.report().Cache.HeldBytes)
	_, err := o.Open(expertfs.NewKey(1, 0))
	require.ErrorIs(t, err, unix.EBUSY)
	require.ErrorContains(t, err, "hold every slot")
	_, err = os.Open(s.expert(1, 0))
	require.ErrorIs(t, err, unix.EBUSY, "files are no way around")
	for _, f := range open {
		require.NoError(t, f.Detach())
		_, err := f.Stat()
		require.ErrorIs(t, err, os.ErrClosed)
	}
	require.Equal(t, 4*slot, s.report().Cache.HeldBytes, "pinned without a descriptor")
	for _, f := range open {
		require.NoError(t, f.Close())
	}
	_, err = readDescriptor(o, expertfs.NewKey(1, 0), true)
	require.NoError(t, err)
	o.Close() // now all is closed and nothing pinned

	// One that asks and never takes what it is sent.
	lazy := s.dial(t)
	before := s.report().Requests.Descriptors
	for e := range 4 {
		s.ask(t, lazy, "open 02/0"+itoa(e))
		require.Eventually(t, func() bool { return s.report().Requests.Descriptors == before+int64(e+1) }, patience, time.Millisecond)
		require.Equal(t, slot, s.report().Cache.HeldBytes)
		s.ask(t, lazy, "close 02/0"+itoa(e))
		require.Eventually(t, func() bool { return s.report().Cache.HeldBytes == 0 }, patience, time.Millisecond)
	}
	require.Eventually(t, func() bool { return s.report().Cache.MappedBytes == 4*slot }, patience, time.Millisecond, "on their way")
	require.NoError(t, lazy.Close())
	require.Eventually(t, func() bool { return s.report().Cache.MappedBytes == 0 }, patience, time.Millisecond)
}

// dial connects to the socket.
func (s *server) dial(t *testing.T) *net.UnixConn {
	t.Helper()
	path, err := os.Readlink(s.control(expertfs.SocketFile))
	require.NoError(t, err)
	conn, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: path, Net: "unixpacket"})
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return conn
}

func (s *server) ask(t *testing.T, conn *net.UnixConn, request string) {
	t.Helper()
	_, err := conn.Write([]byte(request))
	require.NoError(t, err)
}

// requireHungUp waits for the end of a connection.
func requireHungUp(t *testing.T, conn *net.UnixConn, what string) {
	t.Helper()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
	_, err := conn.Read(make([]byte, expertfs.MaxMessage))
	require.True(t, errors.Is(err, io.EOF) || errors.Is(err, unix.ECONNRESET), "%s: %v", what, err)
}

func TestWhoDoesNotKeepToTheProtocolIsHungUpOn(t *testing.T) {
	gate := newSwitch(t)
	s := mount(t, serverConfig{Gate: gate})
	for _, request := range []string{"open", "open 0", "open 9/0", "open 0/99", "close 0/0", "help", string(make([]byte, 10_000))} {
		conn := s.dial(t)
		s.ask(t, conn, request)
		requireHungUp(t, conn, request)
	}
	set(t, gate)
	conn := s.dial(t)
	s.ask(t, conn, "open 0/0")
	s.ask(t, conn, "open 0/1")
	requireHungUp(t, conn, "two opens at a time")
	require.NoError(t, os.Remove(gate))
}

// TestWaitsForDescriptorsEndWithTheReader: who leaves while he waits does not
// keep the load from going on, and closing others is possible meanwhile.
func TestWaitsForDescriptorsEndWithTheReader(t *testing.T) {
	m := openModel(t, "embed:tiny")
	gate := newSwitch(t)
	s := mount(t, serverConfig{Gate: gate})
	conn := s.dial(t)
	s.ask(t, conn, "open 0/0")
	_, err := conn.Read(make([]byte, expertfs.MaxMessage))
	require.NoError(t, err)
	set(t, gate)
	s.ask(t, conn, "open 0/1")
	require.Eventually(t, func() bool { return s.report().Cache.LoadingBytes > 0 }, patience, time.Millisecond)
	s.ask(t, conn, "close 0/0")
	require.Eventually(t, func() bool { return s.report().Cache.HeldBytes == 0 }, patience, time.Millisecond)
	require.NoError(t, conn.Close())
	require.Eventually(t, func() bool { return s.connections(t) == 0 }, patience, time.Millisecond)
	require.Positive(t, s.report().Cache.LoadingBytes, "the load goes on")
	require.NoError(t, os.Remove(gate))
	_, err = readDescriptor(s.opener(t, m), expertfs.NewKey(0, 1), false)
	require.NoError(t, err)
	require.Equal(t, int64(2), s.report().Cache.Loads)
}

// connections counts the sockets that the server has open, but for the one that
// it listens on.
func (s *server) connections(t *testing.T) int {
	t.Helper()
	fds, err := filepath.Glob("/proc/" + itoa(s.cmd.Process.Pid) + "/fd/*")
	require.NoError(t, err)
	n := -1
	for _, fd := range fds {
		var st unix.Stat_t
		if unix.Stat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFSOCK {
			n++
		}
	}
	return n
}

func TestFailedLoadsByDescriptors(t *testing.T) {
	m := openModel(t, "embed:tiny")
	fail := newSwitch(t)
	s := mount(t, serverConfig{Fail: fail})
	o := s.opener(t, m)
	set(t, fail)
	_, err := o.Open(expertfs.NewKey(2, 3))
	require.ErrorIs(t, err, unix.EIO)
	require.ErrorContains(t, err, s.expert(2, 3))
	require.ErrorContains(t, err, "layer 2 expert 3")
	require.NoError(t, os.Remove(fail))
	_, err = readDescriptor(o, expertfs.NewKey(2, 3), false)
	require.NoError(t, err)
}
