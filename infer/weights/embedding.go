package weights

import (
	"fmt"
	"io"
	"os"

	"expertfs"
	"expertfs/checkpoint/safetensors"
)

// Embedding reads rows of the embedding. They are read and not mapped: a token
// needs one row of a matrix that is larger than a layer's dense part.
type Embedding struct {
	f       *os.File
	offset  int64
	hidden  int
	vocab   int
	scratch []byte // one row
}

// Embedding opens the embedding.
func (f *Folder) Embedding() (*Embedding, error) {
	path := f.path(expertfs.EmbeddingPath)
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	e := &Embedding{f: file, hidden: f.cfg.Hidden, vocab: f.cfg.Vocab, scratch: make([]byte, 2*f.cfg.Hidden)}
	if err := e.locate(); err != nil {
		file.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return e, nil
}

func (e *Embedding) locate() error {
	st, err := e.f.Stat()
	if err != nil {
		return err
	}
	h, err := safetensors.ReadHeader(e.f, st.Size())
	if err != nil {
		return err
	}
	const name = "embedding.weight"
	t, ok := h.Tensor(name)
	if !ok {
		return fmt.Errorf("tensor %s is missing", name)
	}
	if t.DType != "BF16" || len(t.Shape) != 2 || t.Shape[0] != int64(e.vocab) || t.Shape[1] != int64(e.hidden) {
		return fmt.Errorf("tensor %s is %s %v, the config calls for BF16 [%d %d]", name, t.DType, t.Shape, e.vocab, e.hidden)
	}
	if end := t.Offset + t.Length; t.Length != 2*int64(e.vocab)*int64(e.hidden) || end > st.Size() {
		return fmt.Errorf("tensor %s has its bytes outside of the file (%d bytes)", name, st.Size())
	}
	e.offset = t.Offset
	return nil
}

// Row writes the embedding of one id into dst (hidden elements). Not safe for
// concurrent use.
func (e *Embedding) Row(dst []float32, id int) error {
	if id < 0 || id >= e.vocab {
		return fmt.Errorf("token id %d is outside of the vocabulary (0 to %d)", id, e.vocab-1)
	}
	if _, err := e.f.ReadAt(e.scratch, e.offset+int64(id)*int64(len(e.scratch))); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("%s: row %d: %w", e.f.Name(), id, err)
	}
	for i := range dst {
		dst[i] = bf16(e.scratch, i)
	}
	return nil
}

// Close closes the embedding's file.
func (e *Embedding) Close() error { return e.f.Close() }
