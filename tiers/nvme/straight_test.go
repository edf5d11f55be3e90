package nvme

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"unsafe"

	"expertfs"
	"expertfs/checkpoint"
	"expertfs/checkpoint/config"
	"expertfs/checkpoint/safetensors"
	"expertfs/checkpoint/synth"
	"expertfs/tiers/ram"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// wide writes a checkpoint whose experts are large enough to be read straight
// into place, and whose tensors are multiples of a page, or nearly all.
func wide(t *testing.T) *checkpoint.Checkpoint {
	t.Helper()
	c, err := config.Preset("tiny")
	require.NoError(t, err)
	c.SetLayers(1)
	c.Experts, c.TopK, c.Hidden, c.Intermediate, c.Vocab = 4, 2, 2048, 256, 64
	dir := filepath.Join(t.TempDir(), "model")
	require.NoError(t, synth.Write(context.Background(), dir, synth.Options{Config: c, Seed: 1}))
	alignData(t, filepath.Join(dir, "model.safetensors"))
	return openCheckpoint(t, dir)
}

// alignData lengthens the header of a file so that the blocks of the first
// layer's experts begin on a page.
func alignData(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	h, err := safetensors.ReadHeader(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	blocks, ok := h.Tensor("block.0.mlp.mlp1_weight.blocks")
	require.True(t, ok)
	pad := int(roundUp(blocks.Offset, sector) - blocks.Offset)
	out := make([]byte, 0, len(data)+pad)
	out = append(out, data[:h.DataStart]...)
	out = append(out, bytes.Repeat([]byte{' '}, pad)...)
	out = append(out, data[h.DataStart:]...)
	length := h.DataStart - 8 + int64(pad)
	for i := range 8 {
		out[i] = byte(length >> (8 * i))
	}
	require.NoError(t, os.WriteFile(path, out, 0o600))
}

// drive is a source with the alignment of some drive. It refuses what that
// drive does, and counts what it reads elsewhere than into buffers.
type drive struct {
	Source
	offset, memory int64
	really         int64 // the alignment in memory that it insists on

	mu       sync.Mutex
	straight int
}

func (d *drive) Align() (offset, memory int64) { return d.offset, d.memory }

func (d *drive) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	address := int64(uintptr(unsafe.Pointer(&p[0])))
	if off%d.offset != 0 || int64(len(p))%d.offset != 0 || address%d.really != 0 {
		return 0, unix.EINVAL
	}
	if address%sector != 0 {
		d.mu.Lock()
		d.straight++
		d.mu.Unlock()
	}
	return d.Source.ReadAt(ctx, p, off)
}

func TestDrivesThatTakeAnyAddressNeedNoCopy(t *testing.T) {
	ck := wide(t)
	for name, c := range map[string]struct {
		memory, really int64
		straight       bool
	}{
		"as NVMe drives":         {4, 4, true},
		"by the sector":          {512, 512, true}, // the blocks are aligned by design
		"by the page":            {4096, 4096, false},
		"promises what is wrong": {4, 4096, false},
	} {
		t.Run(name, func(t *testing.T) {
			d := &drive{offset: 512, memory: c.memory, really: c.really}
			r := openReader(t, ck, Options{Chunk: 100_000, Wrap: func(s Source) Source {
				d.Source = buffer(s)
				return d
			}})
			v := ck.Expert(expertfs.NewKey(0, 3))
			want := bytesOf(t, ck, v)
			memory := aligned(t, len(want)+512)
			// Places that are aligned as their extents are, and less.
			for _, shift := range []int{512, 4} {
				got := memory[shift:][:len(want)]
				clear(got)
				j := r.Start(v, got, 0)
				<-j.Done()
				require.NoError(t, j.Err())
				require.True(t, bytes.Equal(want, got))
			}
			require.Equal(t, c.straight, d.straight > 0)
		})
	}
}

// TestTheDriveReadsStraightIntoASlot does it with the drive there is.
func TestTheDriveReadsStraightIntoASlot(t *testing.T) {
	ck := wide(t)
	r := openReader(t, ck, Options{})
	v := ck.Expert(expertfs.NewKey(0, 2))
	want := bytesOf(t, ck, v)
	tier, err := ram.Open(ram.Options{})
	require.NoError(t, err)
	defer tier.Close()
	slot, err := tier.NewSlot(v.Size())
	require.NoError(t, err)
	defer slot.Close()
	got := slot.Bytes()
	j := &Job{r: r}
	j.cut(v, got, 0)
	var straight int
	for _, p := range j.pieces[driveLane] {
		if p.straight {
			straight += len(p.dst)
		}
	}
	require.Greater(t, straight, len(want)/2, "the case is not the one meant")
	j = r.Start(v, got, 0)
	<-j.Done()
	require.NoError(t, j.Err())
	require.True(t, bytes.Equal(want, got))
	t.Logf("%s: %d of %d bytes straight", r.Mechanism(), straight, len(want))
}

// aligned returns memory that begins on a page.
func aligned(t *testing.T, n int) []byte {
	t.Helper()
	memory, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, unix.Munmap(memory)) })
	return memory
}
