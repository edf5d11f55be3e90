package weights

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"sync"

	"expertfs/checkpoint/safetensors"
	"expertfs/infer/mapped"
)

// file is a mapped safetensors file and where its tensors lie.
type file struct {
	*mapped.File
	header *safetensors.Header
}

// openFile maps the file at path and reads its header.
func (f *Folder) openFile(path string) (*file, error) { return f.mapFile(f.arena.Map(path)) }

// mapFile reads the header of a file that was mapped, or not.
func (f *Folder) mapFile(m *mapped.File, err error) (*file, error) {
	if err != nil {
		return nil, err
	}
	opened := false
	defer func() { // also when reading the mapping faults
		if !opened {
			m.Close()
		}
	}()
	x, err := f.readFile(m)
	if err != nil {
		return nil, err
	}
	opened = true
	return x, nil
}

// readFile reads the header of a mapped file.
func (f *Folder) readFile(m *mapped.File) (*file, error) {
	h, err := f.headers.read(m.Data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.Path, err)
	}
	return &file{File: m, header: h}, nil
}

// close unmaps the file.
func (f *file) close() error { return f.Close() }

// tensor returns the bytes of the named tensor, which lie in the mapping, and
// which of the dtypes it has.
func (f *file) tensor(name string, dtypes []string, shape ...int) (data []byte, dtype string, err error) {
	t, err := locate(f.Path, f.header, int64(len(f.Data)), name, dtypes, shape)
	if err != nil {
		return nil, "", err
	}
	return f.Data[t.Offset : t.Offset+t.Length : t.Offset+t.Length], t.DType, nil
}

// matrix returns a matrix in place.
func (f *file) matrix(name string, rows, cols int) (Matrix, error) {
	return matrixOf(f, name, rows, cols)
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
