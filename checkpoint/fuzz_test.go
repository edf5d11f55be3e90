package checkpoint

import (
	"bytes"
	"encoding/binary"
	"maps"
	"slices"
	"testing"

	"expertfs"
	"expertfs/checkpoint/layout"
	"expertfs/checkpoint/safetensors"

	"github.com/stretchr/testify/require"
)

// FuzzOpen damages small checkpoints: config, index, and the headers and lengths
// of their shards. Whatever still opens must have views that lie within its
// files and are as long as their headers say.
//
// The input is a list of edits and not the files themselves: a random file is
// refused at its first byte.
func FuzzOpen(f *testing.F) {
	sound := []files{sample(f, layout.OpenAI, 1), sample(f, layout.OpenAI, 2), sample(f, layout.HuggingFace, 1), sample(f, layout.HuggingFace, 2)}
	f.Add(uint8(0), []byte{})
	f.Add(uint8(1), []byte{editSet, 0, 0, 30, '9', editInsert, 1, 0, 40, '1'})
	f.Add(uint8(2), []byte{editDelete, 2, 1, 0, 0})
	f.Add(uint8(3), []byte{editCut, 1, 1, 0, 0})
	f.Fuzz(func(t *testing.T, which uint8, edits []byte) {
		c, err := damaged(sound[int(which)%len(sound)], edits).open()
		if err != nil {
			oneLine(t, err)
			return
		}
		checkBounds(t, c, c.Embedding())
		checkBounds(t, c, c.Unembedding())
		for l := range c.Config().Layers {
			checkBounds(t, c, c.Dense(l))
			for e := range c.Config().Experts {
				checkBounds(t, c, c.Expert(expertfs.NewKey(l, e)))
			}
		}
	})
}

// The edits of damaged. Each is five bytes: the kind, the file, an offset of
// two bytes, and a value.
const (
	editSet    = iota // the byte at the offset becomes the value
	editInsert        // the value is put in at the offset
	editDelete        // the byte at the offset goes
	editCut           // the file ends at the offset, counted from its end
	editKinds
)

// damaged returns a checkpoint with edits applied.
func damaged(sound files, edits []byte) files {
	out := sound.clone()
	names := slices.Sorted(maps.Keys(out))
	for edit := range slices.Chunk(edits, 5) {
		if len(edit) < 5 {
			break
		}
		name := names[int(edit[1])%len(names)]
		file := out[name]
		if len(file) == 0 {
			continue
		}
		at, value := int(binary.BigEndian.Uint16(edit[2:]))%len(file), edit[4]
		switch edit[0] % editKinds {
		case editSet:
			file[at] = value
		case editInsert:
			file = slices.Insert(file, at, value)
		case editDelete:
			file = slices.Delete(file, at, at+1)
		case editCut:
			file = file[:len(file)-at]
		}
		out[name] = file
	}
	return out
}

// checkBounds fails unless a view lies within the checkpoint's files, and its
// header describes all of it.
func checkBounds(t *testing.T, c *Checkpoint, v *View) {
	t.Helper()
	size := int64(len(v.Header))
	for _, e := range v.Extents() {
		require.GreaterOrEqual(t, e.Off, int64(0))
		require.LessOrEqual(t, e.Off+e.Len, c.Files()[e.File].Size())
		size += e.Len
	}
	require.Equal(t, v.Size(), size)
	file := append(bytes.Clone(v.Header), make([]byte, size-int64(len(v.Header)))...)
	h, err := safetensors.ReadHeader(bytes.NewReader(file), size)
	require.NoError(t, err)
	require.EqualValues(t, len(v.Header), h.DataStart)
	last := h.Tensors[len(h.Tensors)-1]
	require.Equal(t, size, last.Offset+last.Length)
}
