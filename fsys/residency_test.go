package fsys_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"expertfs"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// residency maps the page of a mount.
func (s *server) residency(t testing.TB, names expertfs.Names) *expertfs.Residency {
	t.Helper()
	r, err := expertfs.OpenResidency(s.point, names)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

// TestResidency opens experts at random through a cache of a tenth of them: what is
// open is shown to be in RAM, and when nothing is under way the page says the same
// as the file for watchers.
func TestResidency(t *testing.T) {
	m := openModel(t, "embed:tiny")
	everyMemory(t, serverConfig{Slots: 12}, func(t *testing.T, c serverConfig) {
		s := mount(t, c)
		r, o := s.residency(t, m.names()), s.opener(t, m)
		row := make([]byte, m.names().Experts)
		order := rand.New(rand.NewPCG(1, 1))
		for range 200 {
			k := expertfs.NewKey(order.IntN(4), order.IntN(32))
			f, err := o.Open(k)
			require.NoError(t, err)
			require.Equal(t, len(row), r.Layer(row, int(k.Layer)))
			require.Equal(t, expertfs.InMemory, row[k.Expert], k)
			require.NoError(t, f.Close())
			require.LessOrEqual(t, r.Count(), 12)
		}
		require.Positive(t, s.report().Cache.Evictions)
		require.Eventually(t, func() bool { return s.sameAsLive(t, r) }, patience, time.Millisecond)
	})
}

// sameAsLive tells whether a page shows what LiveFile does.
func (s *server) sameAsLive(t *testing.T, r *expertfs.Residency) bool {
	live, err := expertfs.ReadLive(s.point)
	require.NoError(t, err)
	row := make([]byte, live.Experts)
	for i, x := range live.All {
		r.Layer(row, i/live.Experts)
		if (row[i%live.Experts] == expertfs.InMemory) != (x.Place == expertfs.InRAM) {
			return false
		}
	}
	return true
}

// TestResidencyIsOnlyToBeRead: neither through the descriptor, nor by opening the
// file behind it anew, nor by cutting it short under others.
func TestResidencyIsOnlyToBeRead(t *testing.T) {
	s := mount(t, serverConfig{})
	conn := s.dial(t)
	s.ask(t, conn, string(expertfs.AskResidency))
	rights := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := conn.ReadMsgUnix(make([]byte, expertfs.MaxMessage), rights)
	require.NoError(t, err)
	messages, err := unix.ParseSocketControlMessage(rights[:n])
	require.NoError(t, err)
	require.Len(t, messages, 1)
	fds, err := unix.ParseUnixRights(&messages[0])
	require.NoError(t, err)
	require.Len(t, fds, 1)
	defer unix.Close(fds[0])
	_, err = unix.Write(fds[0], []byte{1})
	require.ErrorIs(t, err, unix.EBADF)
	_, err = unix.Mmap(fds[0], 0, 1, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	require.ErrorIs(t, err, unix.EACCES)
	again, err := unix.Open("/proc/self/fd/"+strconv.Itoa(fds[0]), unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err == nil { // we are its owner, and the seals hold all the same
		defer unix.Close(again)
		_, err = unix.Pwrite(again, []byte{1}, 0)
		require.ErrorIs(t, err, unix.EPERM)
		require.ErrorIs(t, unix.Ftruncate(again, 0), unix.EPERM)
		_, err = unix.Mmap(again, 0, 1, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		require.ErrorIs(t, err, unix.EPERM)
	}
}

// TestResidencyOutlivesTheMount: who has it mapped reads what was true at the end.
func TestResidencyOutlivesTheMount(t *testing.T) {
	m := openModel(t, "embed:tiny")
	s := mount(t, serverConfig{Slots: 12})
	r := s.residency(t, m.names())
	_, err := os.ReadFile(s.expert(2, 7))
	require.NoError(t, err)
	s.unmount()
	row := make([]byte, m.names().Experts)
	r.Layer(row, 2)
	require.Equal(t, expertfs.InMemory, row[7])
}

// TestWithoutAResidency: a plain folder, a mount without a socket, another model.
func TestWithoutAResidency(t *testing.T) {
	m := openModel(t, "embed:tiny")
	_, err := expertfs.OpenResidency(t.TempDir(), m.names())
	require.ErrorIs(t, err, expertfs.ErrNotMounted)
	s := mount(t, serverConfig{}, "EXPERTFS_RUNTIME_DIR=/proc/none")
	_, err = expertfs.OpenResidency(s.point, m.names())
	require.ErrorIs(t, err, expertfs.ErrNoResidency)
	_, err = expertfs.OpenResidency(mount(t, serverConfig{}).point, expertfs.Names{Layers: 1, Experts: 7})
	require.ErrorContains(t, err, "one for each of 7 experts")
	require.False(t, errors.Is(err, expertfs.ErrNoResidency))
}

// BenchmarkWhatIsInRAM compares the ways to learn which experts of a layer are in
// RAM: the page, the file for watchers, and the attribute of each expert's file.
func BenchmarkWhatIsInRAM(b *testing.B) {
	names := tinyNames
	s := mount(b, serverConfig{Slots: 64})
	b.Run("page", func(b *testing.B) {
		r := s.residency(b, names)
		row := make([]byte, names.Experts)
		for b.Loop() {
			r.Layer(row, 2)
		}
	})
	b.Run("live", func(b *testing.B) {
		for b.Loop() {
			_, err := expertfs.ReadLive(s.point)
			require.NoError(b, err)
		}
	})
	b.Run("xattr", func(b *testing.B) {
		var value [64]byte
		for b.Loop() {
			for expert := range names.Experts {
				_, err := unix.Getxattr(s.expert(2, expert), "user.expertfs.tier", value[:])
				require.NoError(b, err)
			}
		}
	})
}
