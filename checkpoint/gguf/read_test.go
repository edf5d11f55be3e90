package gguf

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"expertfs/checkpoint/source"

	"github.com/stretchr/testify/require"
)

// text is a builder of files, byte by byte.
type text struct{ bytes.Buffer }

func (b *text) u32(ns ...uint32) *text {
	for _, n := range ns {
		b.Write(binary.LittleEndian.AppendUint32(nil, n))
	}
	return b
}

func (b *text) u64(ns ...uint64) *text {
	for _, n := range ns {
		b.Write(binary.LittleEndian.AppendUint64(nil, n))
	}
	return b
}

func (b *text) str(s string) *text { b.u64(uint64(len(s))).WriteString(s); return b }

// start begins a file of so many tensors and keys.
func start(tensors, keys uint64) *text {
	b := &text{}
	b.WriteString(magic)
	return b.u32(3).u64(tensors, keys)
}

// matrix adds a tensor of two dimensions.
func (b *text) matrix(name string, columns, rows uint64, kind uint32, off uint64) *text {
	return b.str(name).u32(2).u64(columns, rows).u32(kind).u64(off)
}

// data ends the header and adds n bytes.
func (b *text) data(n int) []byte {
	b.Write(make([]byte, -b.Len()&31))
	b.Write(make([]byte, n))
	return b.Bytes()
}

// nested writes an array of a string that lies in others, so many.
func nested(b *text, depth int) *text {
	for range depth {
		b.u32(9).u64(1)
	}
	b.u32(8).u64(1)
	return b.str("x")
}

func parse(data []byte) (*header, error) {
	return readHeader(source.Bytes("x.gguf", data, time.Time{}))
}

func TestReadHeader(t *testing.T) {
	b := start(3, 8)
	b.str("a").u32(8).str("text")
	b.str("n").u32(10).u64(7)
	b.str("f").u32(6).u32(math.Float32bits(1e-5))
	b.str("list").u32(9).u32(8).u64(2).str("x").str("")
	b.str("numbers").u32(9).u32(5).u64(2).u32(1, 0xFFFFFFFF)
	b.str("floats").u32(9).u32(6).u64(2).u32(1, 2)
	b.str("arrays").u32(9).u32(9).u64(2).u32(5).u64(1).u32(7).u32(9).u64(1).u32(8).u64(1).str("deep")
	nested(b.str("nested").u32(9), 64)
	b.matrix("second", 32, 2, 8, 64).matrix("first", 4, 2, 0, 0).matrix("strange", 5, 5, 99, 160)
	data := b.data(300)
	h, err := parse(data)
	require.NoError(t, err)
	require.Equal(t, metadata{
		"a": "text", "n": int64(7), "f": 1e-5, "list": []string{"x", ""}, "numbers": []int64{1, -1}, "floats": skipped{},
		"arrays": skipped{}, "nested": skipped{},
	}, h.metadata)
	at := int64(len(data) - 300)
	require.Equal(t, []tensor{
		{"first", []int64{4, 2}, f32, at, 32}, {"second", []int64{32, 2}, q8_0, at + 64, 68}, {"strange", []int64{5, 5}, 99, at + 160, -1},
	}, h.tensors)
}

func TestMalformed(t *testing.T) {
	key := func(kind uint32) *text { return start(0, 1).str("k").u32(kind) }
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"empty":             {nil, "truncated: 4 bytes"},
		"safetensors":       {[]byte("\x10\x00\x00\x00\x00\x00\x00\x00{}"), "not a GGUF file"},
		"cut in the magic":  {[]byte("GGU"), "truncated"},
		"version 1":         {(&text{*bytes.NewBufferString(magic)}).u32(1).u32(0, 0).Bytes(), "GGUF version 1, expected 2 or 3"},
		"big-endian":        {(&text{*bytes.NewBufferString(magic)}).u32(3 << 24).Bytes(), "big-endian"},
		"many tensors":      {start(1<<60, 0).data(100), "1152921504606846976 tensors cannot be"},
		"many keys":         {start(0, math.MaxUint64).data(100), "metadata keys cannot be"},
		"many of both":      {start(1, math.MaxUint64).data(100), "truncated: 18446744073709551615 metadata keys"},
		"long string":       {key(8).u64(1 << 62).data(10), `metadata key "k": truncated`},
		"negative string":   {key(8).u64(math.MaxUint64).data(10), "bytes of a string cannot be"},
		"long name":         {start(0, 1).u64(2000).data(4000), "a name of 2000 bytes"},
		"name of garbage":   {start(0, 1).str("\xff\xfe").u32(4, 1).data(0), "is no text"},
		"name with a zero":  {start(0, 1).str("a\x00b").u32(4, 1).data(0), "is no text"},
		"type of value":     {key(13).data(100), "values of type 13 are not known"},
		"type 2^32-1":       {key(math.MaxUint32).data(100), "are not known"},
		"boolean":           {append(key(7).Bytes(), 2), "2 is no boolean"},
		"deep arrays":       {nested(key(9), 100).data(100), "lie deeper in each other than 64"},
		"cut array in one":  {key(9).u32(9).u64(2).u32(4).u64(1).u32(7).Bytes(), "truncated"},
		"many arrays":       {key(9).u32(9).u64(1 << 40).data(100), "values of an array cannot be"},
		"array of 13":       {key(9).u32(13).u64(1).data(100), "arrays of type 13"},
		"long array":        {key(9).u32(5).u64(1 << 61).data(100), "values of an array cannot be"},
		"long array, bytes": {key(9).u32(0).u64(maxCount + 1).data(maxCount + 100), "expected 4194304 at most"},
		"cut array":         {key(9).u32(8).u64(3).str("a").str("b").Bytes(), "truncated"},
		"key twice":         {start(0, 2).str("k").u32(4, 1).str("k").u32(4, 1).data(0), `"k" appears twice`},
		"alignment 0":       {start(0, 1).str("general.alignment").u32(4, 0).data(0), "expected a power of two"},
		"alignment 48":      {start(0, 1).str("general.alignment").u32(4, 48).data(0), "expected a power of two"},
		"alignment of text": {start(0, 1).str("general.alignment").u32(8).str("32").data(0), "expected a power of two"},

		"tensor twice":     {start(2, 0).matrix("t", 4, 2, 0, 0).matrix("t", 4, 2, 0, 32).data(64), `tensor "t" appears twice`},
		"overlap":          {start(2, 0).matrix("t", 32, 2, 0, 0).matrix("u", 4, 2, 0, 32).data(256), `"u" overlaps tensor "t"`},
		"no dimensions":    {start(1, 0).str("t").u32(0, 0).u64(0).data(64), "0 dimensions"},
		"five dimensions":  {start(1, 0).str("t").u32(5).u64(1, 1, 1, 1, 1).u32(0).u64(0).data(64), "5 dimensions"},
		"many dimensions":  {start(1, 0).str("t").u32(math.MaxUint32).data(64), "4294967295 dimensions"},
		"dimension 0":      {start(1, 0).matrix("t", 0, 2, 0, 0).data(64), "dimension 0"},
		"huge dimensions":  {start(1, 0).matrix("t", 1<<40, 1<<40, 0, 0).data(64), "larger than any file"},
		"negative":         {start(1, 0).matrix("t", 1<<63, 1, 0, 0).data(64), "dimension -"},
		"half a block":     {start(1, 0).matrix("t", 48, 1, 39, 0).data(64), "no whole blocks of MXFP4"},
		"offset unaligned": {start(1, 0).matrix("t", 4, 2, 0, 16).data(64), "no multiple of the alignment"},
		"offset 2^64-32":   {start(1, 0).matrix("t", 4, 2, 0, math.MaxUint64-31).data(64), "begins at byte 18446744073709551584"},
		"offset outside":   {start(1, 0).matrix("t", 4, 2, 0, 1<<40).data(64), `truncated: tensor "t"`},
		"offset negative":  {start(1, 0).matrix("t", 4, 2, 0, 1<<63).data(64), `truncated: tensor "t"`},
		"data cut":         {start(1, 0).matrix("t", 32, 2, 0, 0).data(255), `truncated: tensor "t"`},
		"no data":          {start(1, 0).matrix("t", 32, 2, 0, 0).Bytes(), `truncated: tensor "t"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse(c.file)
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

// TestEveryCutIsRefused cuts a whole file at every byte of its header.
func TestEveryCutIsRefused(t *testing.T) {
	data, err := os.ReadFile("testdata/ggml-q8_0.gguf")
	require.NoError(t, err)
	h, err := parse(data)
	require.NoError(t, err)
	for n := range h.tensors[0].off {
		_, err := parse(data[:n])
		require.Error(t, err)
		require.False(t, strings.Contains(err.Error(), "\n"), "%q", err)
	}
}

// FuzzReadHeader looks for panics, for headers that take much more memory than the
// file has bytes, and for tensors outside the file.
func FuzzReadHeader(f *testing.F) {
	for _, name := range []string{"ggml-q8_0.gguf", "ollama4-bf16.gguf"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		require.NoError(f, err)
		h, err := parse(data)
		require.NoError(f, err)
		f.Add(data[:h.tensors[0].off+64])
	}
	f.Add(start(1, 1).str("k").u32(9).u32(8).u64(1).str("x").matrix("t", 32, 2, 39, 0).data(34))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := parse(data)
		if err != nil {
			require.False(t, strings.Contains(err.Error(), "\n"), "%q", err)
			return
		}
		for i, x := range h.tensors {
			require.LessOrEqual(t, x.off+max(0, x.len), int64(len(data)))
			if i > 0 && h.tensors[i-1].len >= 0 {
				require.LessOrEqual(t, h.tensors[i-1].off+h.tensors[i-1].len, x.off)
			}
		}
		_, err = readConfig(h.metadata, 32)
		if err != nil {
			require.False(t, strings.Contains(err.Error(), "\n"), "%q", err)
		}
		_, _ = makeTokenizer(h.metadata)
	})
}
