package nvme

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"expertfs"
	"expertfs/checkpoint"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// address is room that nobody may touch before it is made memory.
func address(t *testing.T, size int64) (dst []byte, makeMemory func()) {
	t.Helper()
	dst, err := unix.Mmap(-1, 0, int(size), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, unix.Munmap(dst)) })
	return dst, func() { require.NoError(t, unix.Mprotect(dst, unix.PROT_READ|unix.PROT_WRITE)) }
}

// TestTheDriveIsReadBeforeThereIsMemory by every way: writing too soon would end the test.
func TestTheDriveIsReadBeforeThereIsMemory(t *testing.T) {
	for name, c := range map[string]struct {
		ck *checkpoint.Checkpoint
		o  Options
	}{
		"direct":   {onDisk(t), Options{}},
		"straight": {wide(t), Options{}},
		"memory":   {embeddedModel(t), Options{}},
	} {
		t.Run(name, func(t *testing.T) {
			r := openReader(t, c.ck, c.o)
			for _, v := range []*checkpoint.View{c.ck.Expert(expertfs.NewKey(0, 1)), c.ck.DenseRounded(0)} {
				dst, makeMemory := address(t, v.Size())
				j := r.Load(v, dst, Demand, 0)
				if v.Parts[0].Transform == nil && name == "direct" && r.Mechanism() == "O_DIRECT" {
					require.Eventually(t, func() bool { return r.BytesRead() > 0 }, 5*time.Minute, time.Millisecond)
				}
				select {
				case <-j.Done():
					t.Fatal("there was no memory yet")
				default:
				}
				makeMemory()
				j.Ready()
				<-j.Done()
				require.NoError(t, j.Err())
				require.True(t, bytes.Equal(bytesOf(t, c.ck, v), dst))
			}
		})
	}
}

func TestAJobWithoutMemoryEnds(t *testing.T) {
	ck := onDisk(t)
	r, s := scripted(t, ck, 1)
	if r.Mechanism() != "O_DIRECT" {
		t.Skip("without alignment bytes are read into their place: ", r.Mechanism())
	}
	v := ck.Expert(expertfs.NewKey(0, 0))
	dst, _ := address(t, v.Size())
	short := errors.New("no memory")

	begun := r.Load(v, dst, Demand, 0)
	<-s.started
	waiting := r.Load(v, dst, Prefetch, 0)
	waiting.NoMemory(short)
	<-waiting.Done()
	require.ErrorIs(t, waiting.Err(), short)
	begun.NoMemory(short)
	s.goOn <- struct{}{}
	<-begun.Done()
	require.ErrorIs(t, begun.Err(), short)

	dropped := r.Load(v, dst, Prefetch, 0)
	<-s.started
	require.True(t, dropped.Drop())
	s.goOn <- struct{}{}
	select {
	case <-dropped.Done():
		t.Fatal("a worker waits for memory to write to")
	default:
	}
	dropped.NoMemory(short)
	<-dropped.Done()
	require.ErrorIs(t, dropped.Err(), ErrDropped)
}
