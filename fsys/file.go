package fsys

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"expertfs"
	"expertfs/checkpoint/source"
	"expertfs/tiers"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// file is an open file.
type file interface {
	handle
	// read returns the bytes at off, at most len(buf) and fewer only at the
	// end. It may use buf, which is valid until the reply is written.
	read(off int64, buf []byte) (fuse.ReadResult, error)
}

// Open opens a file. For experts, and for most dense files, it returns when the
// bytes are in RAM.
func (f *FS) Open(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	id := nodeID(in.NodeId)
	if !f.tree.exists(id) {
		return fuse.ENOENT
	}
	writing := in.Flags&unix.O_ACCMODE != unix.O_RDONLY || in.Flags&unix.O_TRUNC != 0
	if writing {
		if status := f.mayWrite(id, in.Caller); status != fuse.OK {
			return status
		}
	}
	if id.kind() != kindControl {
		f.counters.opens.Add(1)
	}
	switch id.kind() {
	case kindExpert:
		return f.openExpert(cancel, in, out, id.key())
	case kindLayerDense:
		return f.openDense(cancel, in, out, tiers.DenseLayer(id.layer()))
	case kindUnembedding:
		return f.openDense(cancel, in, out, tiers.Unembedding)
	case kindEmbedding:
		return f.openDense(cancel, in, out, tiers.Embedding)
	case kindRounded:
		return f.openRounded(cancel, in, out, tiers.DenseLayer(id.layer()).Rounded())
	case kindRoundedHead:
		return f.openRounded(cancel, in, out, tiers.Unembedding.Rounded())
	case kindSmall:
		small := f.tree.small[id.index()]
		out.Fh = f.handles.add(readerFile{source.Reader(small), small.Size()})
		out.OpenFlags = fuse.FOPEN_KEEP_CACHE | fuse.FOPEN_NOFLUSH
	case kindControl:
		return f.openControl(id, in, out)
	default:
		return fuse.EISDIR
	}
	return fuse.OK
}

// openExpert opens an expert, in RAM unless other readers hold all of it.
func (f *FS) openExpert(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut, k expertfs.Key) fuse.Status {
	reader, id := f.readers.of(in.Pid), nodeID(in.NodeId)
	for {
		ctx := newFatalContext(cancel, in.Pid)
		h, err := reader.Open(ctx, k)
		ctx.stop()
		switch {
		case err == nil:
			f.openSlot(h, id, out)
			return fuse.OK
		case !errors.Is(err, tiers.ErrCrowded):
			return f.status(err)
		}
		r, err := f.cache.ReadExpert(k)
		if err != nil {
			return f.status(err)
		}
		if f.unpassed.addUnless(id, func() bool { return f.cache.ExpertInRAM(k) }) {
			reader.Served(k)
			f.openUnpassed(readerFile{r, f.tree.expertSize}, id, out)
			return fuse.OK
		}
	}
}

// openSlot opens a file whose bytes are in a slot of the RAM tier, by
// passthrough where there is any and the kernel allows it.
func (f *FS) openSlot(h *tiers.Handle, id nodeID, out *fuse.OpenOut) {
	if f.unpassed.join(id) {
		f.openUnpassed(newSlotFile(h), id, out)
		return
	}
	out.Fh = f.handles.add(newSlotFile(h))
	out.OpenFlags = openFlags(f.mechanism)
	if id := h.Slot().BackingID; id != 0 {
		out.OpenFlags = fuse.FOPEN_PASSTHROUGH | fuse.FOPEN_NOFLUSH
		out.BackingID = id
	}
}

// Read answers reads that the kernel does not serve itself.
func (f *FS) Read(_ <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	open, ok := f.handles.get(in.Fh).(file)
	if !ok {
		return nil, fuse.EBADF
	}
	result, err := open.read(int64(in.Offset), buf)
	if err != nil {
		return nil, f.status(err)
	}
	if _, control := open.(*controlFile); !control {
		f.counters.reads.Add(1)
		f.counters.readBytes.Add(int64(result.Size()))
	}
	return result, fuse.OK
}

// Release ends an open file.
func (f *FS) Release(_ <-chan struct{}, in *fuse.ReleaseIn) { f.handles.remove(in.Fh) }

// Flush has nothing to write back.
func (f *FS) Flush(<-chan struct{}, *fuse.FlushIn) fuse.Status { return fuse.OK }

// Fsync has nothing to write back.
func (f *FS) Fsync(<-chan struct{}, *fuse.FsyncIn) fuse.Status { return fuse.OK }

// slotFile is an open file whose bytes are in RAM, pinned there by cached.
type slotFile struct {
	cached *tiers.Handle
	users  atomic.Int32 // the open file, and each reply on its way
}

func newSlotFile(h *tiers.Handle) *slotFile {
	s := &slotFile{cached: h}
	s.users.Store(1)
	return s
}

func (s *slotFile) release() {
	if s.users.Add(-1) == 0 {
		s.cached.Release()
	}
}

func (s *slotFile) read(off int64, buf []byte) (fuse.ReadResult, error) {
	data := s.cached.Bytes()
	if off < 0 || off >= int64(len(data)) {
		return fuse.ReadResultData(nil), nil
	}
	s.users.Add(1)
	return &slotReply{s, data[off:min(off+int64(len(buf)), int64(len(data)))]}, nil
}

// slotReply is the answer to a read: memory of a slot, which stays pinned until
// the kernel has copied it. A reply without bytes must not be one, as Done would
// not be called for it.
type slotReply struct {
	file *slotFile
	data []byte
}

// Size implements fuse.ReadResult.
func (r *slotReply) Size() int { return len(r.data) }

// Bytes implements fuse.ReadResult.
func (r *slotReply) Bytes([]byte) ([]byte, fuse.Status) { return r.data, fuse.OK }

// Slices makes go-fuse write the memory to the kernel as it lies there.
func (r *slotReply) Slices() ([][]byte, fuse.Status) { return [][]byte{r.data}, fuse.OK }

// Done implements fuse.ReadResult.
func (r *slotReply) Done() { r.file.release() }

// readerFile is an open file that is read where it lies.
type readerFile struct {
	r    io.ReaderAt
	size int64
}

func (readerFile) release() {}

func (f readerFile) read(off int64, buf []byte) (fuse.ReadResult, error) {
	if off < 0 || off >= f.size {
		return fuse.ReadResultData(nil), nil
	}
	buf = buf[:min(int64(len(buf)), f.size-off)]
	if n, err := f.r.ReadAt(buf, off); n < len(buf) {
		return nil, fmt.Errorf("read %d bytes at %d: %w", len(buf), off, err)
	}
	return fuse.ReadResultData(buf), nil
}
