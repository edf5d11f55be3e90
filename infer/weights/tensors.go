package weights

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sync"

	"expertfs/checkpoint/safetensors"
)

// file is a mapped safetensors file and where its tensors lie.
type file struct {
	*mapping
	path   string
	header *safetensors.Header
}

// openFile maps the file at path and reads its header.
func (f *Folder) openFile(path string) (*file, error) {
	m, err := f.arena.mapFile(path)
	if err != nil {
		return nil, err
	}
	opened := false
	defer func() { // also when reading the mapping faults
		if !opened {
			m.close()
		}
	}()
	h, err := f.headers.read(m.data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	opened = true
	return &file{mapping: m, path: path, header: h}, nil
}

// tensor returns the bytes of the named tensor after checking that it has the
// dtype and shape that the config calls for.
func (f *file) tensor(name, dtype string, shape ...int) ([]byte, error) {
	t, ok := f.header.Tensor(name)
	if !ok {
		return nil, fmt.Errorf("%s: tensor %s is missing", f.path, name)
	}
	want := make([]int64, len(shape))
	size := int64(elementSize[dtype])
	for i, n := range shape {
		want[i] = int64(n)
		size *= int64(n)
	}
	if t.DType != dtype || !slices.Equal(t.Shape, want) {
		return nil, fmt.Errorf("%s: tensor %s is %s %v, the config calls for %s %v", f.path, name, t.DType, t.Shape, dtype, want)
	}
	if t.Length != size || t.Offset < 0 || t.Offset > int64(len(f.data))-size {
		return nil, fmt.Errorf("%s: tensor %s has its bytes outside of the file (%d bytes)", f.path, name, len(f.data))
	}
	return f.data[t.Offset : t.Offset+size : t.Offset+size], nil
}

var elementSize = map[string]int{"BF16": 2, "U8": 1}

// vector returns a bfloat16 tensor of n elements as float32.
func (f *file) vector(name string, n int) ([]float32, error) {
	b, err := f.tensor(name, "BF16", n)
	if err != nil {
		return nil, err
	}
	v := make([]float32, n)
	for i := range v {
		v[i] = bf16(b, i)
	}
	return v, nil
}

// bf16 returns element i of a bfloat16 vector.
func bf16(b []byte, i int) float32 {
	return math.Float32frombits(uint32(binary.LittleEndian.Uint16(b[2*i:])) << 16)
}

// headerCache keeps parsed headers. Opening an expert again finds the same
// header bytes, and comparing them costs a hundredth of parsing JSON.
type headerCache struct {
	mu     sync.Mutex
	parsed map[string]sized
}

// sized is a header that was checked against a file of that many bytes.
type sized struct {
	header *safetensors.Header
	size   int
}

// maxCachedHeader keeps a strange file's header out of the cache; an expert's
// has less than a kilobyte before the padding.
const maxCachedHeader = 8 << 10

func (c *headerCache) read(data []byte) (*safetensors.Header, error) {
	text := headerText(data)
	if text == nil {
		return safetensors.ReadHeader(bytes.NewReader(data), int64(len(data)))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s, ok := c.parsed[string(text)]; ok && s.size == len(data) {
		return s.header, nil
	}
	h, err := safetensors.ReadHeader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	if c.parsed == nil {
		c.parsed = make(map[string]sized)
	}
	c.parsed[string(text)] = sized{h, len(data)}
	return h, nil
}

// headerText returns the length and JSON at the start of data without the
// padding, or nil where the header is not an ordinary one.
func headerText(data []byte) []byte {
	if len(data) < 8 {
		return nil
	}
	n := binary.LittleEndian.Uint64(data)
	if n > maxCachedHeader || n > uint64(len(data)-8) {
		return nil
	}
	return bytes.TrimRight(data[:8+n], " ")
}
