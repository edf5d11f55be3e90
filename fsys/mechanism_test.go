package fsys

import (
	"log/slog"
	"os"
	"testing"

	"expertfs"
	"expertfs/tiers/ram"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// fakeKernel keeps backing files as the kernel does, or refuses them.
type fakeKernel struct {
	refuse unix.Errno
	last   int32
	files  map[int32]int32 // descriptors by id
}

func (k *fakeKernel) RegisterBackingFd(m *fuse.BackingMap) (int32, unix.Errno) {
	if k.refuse != 0 {
		return 0, k.refuse
	}
	if k.files == nil {
		k.files = make(map[int32]int32)
	}
	k.last++
	k.files[k.last] = m.Fd
	return k.last, 0
}

func (k *fakeKernel) UnregisterBackingFd(id int32) unix.Errno {
	if _, ok := k.files[id]; !ok {
		return unix.ENOENT
	}
	delete(k.files, id)
	return 0
}

func TestChooseMechanism(t *testing.T) {
	const all = fuse.CAP_PASSTHROUGH | fuse.CAP_DIRECT_IO_ALLOW_MMAP
	for _, c := range []struct {
		name    string
		offered uint64
		refuse  unix.Errno
		asked   expertfs.Mechanism
		want    expertfs.Mechanism
		why     string
	}{
		{"the best", all, 0, "", expertfs.Passthrough, ""},
		{"not root", all, unix.EPERM, "", expertfs.Direct, "CAP_SYS_ADMIN"},
		{"refused", all, unix.ELOOP, "", expertfs.Direct, "too many levels"},
		{"before 6.9", fuse.CAP_DIRECT_IO_ALLOW_MMAP, 0, "", expertfs.Direct, "6.9"},
		{"before 6.6", 0, 0, "", expertfs.Cached, "6.6"},
		{"direct", all, 0, expertfs.Direct, expertfs.Direct, "asked for"},
		{"direct before 6.6", 0, 0, expertfs.Direct, expertfs.Cached, "6.6"},
		{"cached", all, 0, expertfs.Cached, expertfs.Cached, "asked for"},
	} {
		kernel := &fakeKernel{refuse: c.refuse}
		got, why := chooseMechanism(kernel, c.offered, c.asked)
		require.Equal(t, c.want, got, c.name)
		require.Contains(t, why, c.why, c.name)
		require.Empty(t, kernel.files, "%s: the probe leaves nothing", c.name)
	}
	require.Zero(t, openFlags(expertfs.Cached)&fuse.FOPEN_DIRECT_IO)
	require.NotZero(t, openFlags(expertfs.Direct)&fuse.FOPEN_DIRECT_IO)
	for _, m := range []expertfs.Mechanism{expertfs.Passthrough, expertfs.Direct, expertfs.Cached} {
		require.Zero(t, openFlags(m)&fuse.FOPEN_KEEP_CACHE, "the page cache must not keep what RAM holds")
	}
}

func TestBackings(t *testing.T) {
	tier, err := ram.Open(ram.Options{Memfd: true})
	require.NoError(t, err)
	newSlot := func() *ram.Slot {
		s, err := tier.NewSlot(4096)
		require.NoError(t, err)
		t.Cleanup(s.Close)
		return s
	}
	kernel := new(fakeKernel)
	b := newBackings(slog.New(slog.DiscardHandler))
	early := newSlot()
	b.Born(early)
	require.Zero(t, early.BackingID, "there is no kernel to tell yet")
	b.connect(kernel)
	late := newSlot()
	b.Born(late)
	require.Equal(t, map[int32]int32{early.BackingID: int32(early.Fd()), late.BackingID: int32(late.Fd())}, kernel.files)

	kernel.refuse = unix.ENOMEM
	refused := newSlot()
	b.Born(refused)
	require.Zero(t, refused.BackingID)
	require.Equal(t, int64(1), b.failures())
	kernel.refuse = 0
	b.Dead(refused)

	b.Dead(early)
	require.Len(t, kernel.files, 1)
	b.disconnect()
	require.Zero(t, late.BackingID, "ids end with the connection")
	b.Dead(late)
}

func TestBeingKilled(t *testing.T) {
	require.False(t, beingKilled("/proc", 0), "in another pid namespace: nobody knows")
	require.False(t, beingKilled("/proc", uint32(os.Getpid())))
	require.True(t, beingKilled("/proc", 1<<31-1), "gone")
}

func TestFatalContext(t *testing.T) {
	// Without a wait nothing is started.
	idle := newFatalContext(nil, 1)
	require.NoError(t, idle.Err())
	idle.stop()

	// An interruption of a thread that lives on cancels nothing.
	interrupted := make(chan struct{})
	close(interrupted)
	c := newFatalContext(interrupted, uint32(os.Getpid()))
	done := c.Done()
	require.Equal(t, done, c.Done())
	c.stop()
	require.NoError(t, c.Err())

	// One of a thread that is gone does.
	c = newFatalContext(interrupted, 1<<31-1)
	<-c.Done()
	require.Error(t, c.Err())
	c.stop()
}
