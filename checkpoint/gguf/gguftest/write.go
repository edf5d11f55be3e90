package gguftest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Types of tensors, as ggml numbers them.
const (
	F32    = 0
	F16    = 1
	Ollama = 4
	Q8_0   = 8
	BF16   = 30
	MXFP4  = 39
)

// KV is a value of the metadata: uint32, int32, float32, bool, string, uint64, or
// a slice of strings, int32 or bool, or whatever Append takes from a Raw.
type KV struct {
	Key   string
	Value any
}

// Raw is a value in GGUF's own bytes, its type included.
type Raw []byte

// Tensor is a tensor of a file.
type Tensor struct {
	Name string
	Dims []uint64 // the fastest first
	Kind uint32
	Data []byte
}

// Encode returns the bytes of a file, aligned as the metadata says.
func Encode(kvs []KV, tensors []Tensor) []byte {
	align := 32
	for _, kv := range kvs {
		if kv.Key == "general.alignment" {
			align = int(kv.Value.(uint32))
		}
	}
	out := []byte("GGUF")
	out = binary.LittleEndian.AppendUint32(out, 3)
	out = binary.LittleEndian.AppendUint64(out, uint64(len(tensors)))
	out = binary.LittleEndian.AppendUint64(out, uint64(len(kvs)))
	for _, kv := range kvs {
		out = appendValue(appendString(out, kv.Key), kv.Value)
	}
	off := uint64(0)
	for _, t := range tensors {
		out = appendString(out, t.Name)
		out = binary.LittleEndian.AppendUint32(out, uint32(len(t.Dims)))
		for _, d := range t.Dims {
			out = binary.LittleEndian.AppendUint64(out, d)
		}
		out = binary.LittleEndian.AppendUint32(out, t.Kind)
		out = binary.LittleEndian.AppendUint64(out, off)
		off += uint64((len(t.Data) + align - 1) / align * align)
	}
	for _, t := range tensors {
		out = append(out, make([]byte, -len(out)&(align-1))...)
		out = append(out, t.Data...)
	}
	return out
}

func appendString(out []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint64(out, uint64(len(s))), s...)
}

// appendValue appends the type and the value.
func appendValue(out []byte, v any) []byte {
	u32 := binary.LittleEndian.AppendUint32
	list := func(kind uint32, n int) { out = binary.LittleEndian.AppendUint64(u32(u32(out, 9), kind), uint64(n)) }
	switch v := v.(type) {
	case uint32:
		return u32(u32(out, 4), v)
	case int32:
		return u32(u32(out, 5), uint32(v))
	case uint16:
		return binary.LittleEndian.AppendUint16(u32(out, 2), v)
	case uint64:
		return binary.LittleEndian.AppendUint64(u32(out, 10), v)
	case float32:
		return u32(u32(out, 6), math.Float32bits(v))
	case bool:
		return append(u32(out, 7), map[bool]byte{true: 1}[v])
	case string:
		return appendString(u32(out, 8), v)
	case []string:
		list(8, len(v))
		for _, s := range v {
			out = appendString(out, s)
		}
		return out
	case []int32:
		list(5, len(v))
		for _, n := range v {
			out = u32(out, uint32(n))
		}
		return out
	case []bool:
		list(7, len(v))
		for _, b := range v {
			out = append(out, map[bool]byte{true: 1}[b])
		}
		return out
	case Raw:
		return append(out, v...)
	}
	panic(fmt.Sprintf("no value of type %T", v))
}

// Save writes a model to dir, in as many files as asked for, and returns their
// paths.
func Save(t testing.TB, dir string, kvs []KV, tensors []Tensor, shards int) []string {
	t.Helper()
	var paths []string
	for i := range shards {
		name, own := "model.gguf", kvs
		if shards > 1 {
			name = fmt.Sprintf("model-%05d-of-%05d.gguf", i+1, shards)
			if i > 0 {
				own = nil
			}
			own = append(own[:len(own):len(own)], KV{"split.no", uint16(i)}, KV{"split.count", uint16(shards)}, KV{"split.tensors.count", int32(len(tensors))})
		}
		part := tensors[len(tensors)*i/shards : len(tensors)*(i+1)/shards]
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, Encode(own, part), 0o644))
		paths = append(paths, path)
	}
	return paths
}

// Values returns the values of BF16 data.
func Values(data []byte) []float32 {
	values := make([]float32, len(data)/2)
	for i := range values {
		values[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(data[2*i:])) << 16)
	}
	return values
}

// Quantise returns values in a type; those of F16 and BF16 are cut off, not
// rounded.
func Quantise(kind uint32, values []float32) []byte {
	var out bytes.Buffer
	put := func(v any) { _ = binary.Write(&out, binary.LittleEndian, v) }
	switch kind {
	case F32:
		put(values)
	case BF16:
		for _, v := range values {
			put(uint16(math.Float32bits(v) >> 16))
		}
	case F16:
		for _, v := range values {
			put(Half(v))
		}
	case Q8_0:
		for i := 0; i < len(values); i += 32 {
			most := 0.0
			for _, v := range values[i : i+32] {
				most = max(most, math.Abs(float64(v)))
			}
			d := Half(float32(most / 127))
			put(d)
			for _, v := range values[i : i+32] {
				q := 0.0
				if scale := FromHalf(d); scale > 0 {
					q = math.RoundToEven(float64(v) / scale)
				}
				put(int8(max(-127, min(127, q))))
			}
		}
	default:
		panic(kind)
	}
	return out.Bytes()
}

// Half returns a value as float16, cut off; those too small are 0 and those too
// large the largest.
func Half(v float32) uint16 {
	sign := uint16(math.Float32bits(v) >> 31 << 15)
	a := math.Abs(float64(v))
	switch {
	case a < 0x1p-24:
		return sign
	case a >= 65504:
		return sign | 0x7BFF
	case a < 0x1p-14:
		return sign | uint16(a*0x1p24)
	}
	frac, exp := math.Frexp(a) // 0.5 to 1
	return sign | uint16(exp+14)<<10 | uint16(frac*2048)&1023
}

// FromHalf returns the value of a finite float16.
func FromHalf(h uint16) float64 {
	v := float64(h&1023) * 0x1p-24
	if exp := int(h >> 10 & 31); exp > 0 {
		v = math.Ldexp(1+float64(h&1023)/1024, exp-15)
	}
	if h>>15 == 1 {
		return -v
	}
	return v
}
