package checkpoint

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"expertfs/checkpoint/safetensors"
)

// FuzzOpen mutates config, index and headers of small checkpoints. Whatever
// opens must have views that lie within its files and are as long as their
// headers say.
func FuzzOpen(f *testing.F) {
	for _, l := range []Layout{OpenAI, HuggingFace} {
		for _, shards := range []int{1, 2} {
			s := sample(f, l, shards)
			a, b := s[weights], []byte(nil)
			if shards == 2 {
				a, b = s["parta.safetensors"], s["partb.safetensors"]
			}
			f.Add(s[configName], s[indexName], headerOf(a), headerOf(b), uint32(len(a)), uint32(len(b)))
		}
	}
	f.Fuzz(func(t *testing.T, config, index, headA, headB []byte, sizeA, sizeB uint32) {
		const most = 1 << 20
		in := files{configName: config}
		if len(headB) == 0 {
			in[weights] = padded(headA, sizeA%most)
		} else {
			in["parta.safetensors"], in["partb.safetensors"] = padded(headA, sizeA%most), padded(headB, sizeB%most)
		}
		if len(index) > 0 {
			in[indexName] = index
		}
		c, err := in.open()
		if err != nil {
			oneLine(t, err)
			return
		}
		check := func(v *View) {
			var data int64
			for _, e := range v.Extents {
				require.GreaterOrEqual(t, e.Off, int64(0))
				require.LessOrEqual(t, e.Off+e.Len, c.Files()[e.File].Size())
				data += e.Len
			}
			h, err := safetensors.ReadHeader(bytes.NewReader(padded(v.Header, uint32(v.Size()))), v.Size())
			require.NoError(t, err)
			require.EqualValues(t, len(v.Header), h.DataStart)
			last := h.Tensors[len(h.Tensors)-1]
			require.Equal(t, v.Size(), last.Offset+last.Length)
			require.Equal(t, v.Size(), h.DataStart+data)
		}
		check(c.Embedding())
		check(c.Unembedding())
		for l := range c.Config().Layers {
			check(c.Dense(l))
			for e := range c.Config().Experts {
				check(c.Expert(l, e))
			}
		}
	})
}

// headerOf returns the length and the text of a file's header.
func headerOf(file []byte) []byte {
	if len(file) == 0 {
		return nil
	}
	return bytes.Clone(file[:8+binary.LittleEndian.Uint64(file)])
}

// padded returns data with zeros up to a length.
func padded(data []byte, length uint32) []byte {
	return append(bytes.Clone(data), make([]byte, max(int(length)-len(data), 0))...)
}
