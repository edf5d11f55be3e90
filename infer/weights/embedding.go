package weights

import (
	"fmt"
	"io"
	"os"

	"expertfs"
	"expertfs/checkpoint/safetensors"
	"expertfs/infer/kernel"
)

// Embedding reads rows of the embedding. They are read and not mapped: a token
// needs one row of a matrix that is larger than a layer's dense part.
type Embedding struct {
	f      *os.File
	hidden int
	vocab  int
	tensor *safetensors.Tensor
	scales *safetensors.Tensor // of an I8 tensor
	row    []byte              // one row, as it is in the file
	scale  []byte              // and its scales
}

// Embedding opens the embedding.
func (f *Folder) Embedding() (*Embedding, error) {
	path := f.path(expertfs.EmbeddingPath)
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	e := &Embedding{f: file, hidden: f.cfg.Hidden, vocab: f.cfg.Vocab}
	if err := e.locate(); err != nil {
		file.Close()
		return nil, err
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
		return fmt.Errorf("%s: %w", e.f.Name(), err)
	}
	const name = "embedding.weight"
	if e.tensor, err = locate(e.f.Name(), h, st.Size(), name, matrices, []int{e.vocab, e.hidden}); err != nil {
		return err
	}
	e.row = make([]byte, e.hidden*elementSizes[e.tensor.DType])
	if e.tensor.DType == "I8" {
		e.scale = make([]byte, e.hidden/32*2)
		e.scales, err = locate(e.f.Name(), h, st.Size(), name+scalesSuffix, []string{"F16"}, scalesShape(e.vocab, e.hidden))
	}
	return err
}

// Row writes the embedding of one id into dst (hidden elements). Not safe for
// concurrent use.
func (e *Embedding) Row(dst []float32, id int) error {
	if id < 0 || id >= e.vocab {
		return fmt.Errorf("token id %d is outside of the vocabulary (0 to %d)", id, e.vocab-1)
	}
	if err := e.read(e.row, e.tensor, id); err != nil {
		return err
	}
	if e.scales != nil {
		if err := e.read(e.scale, e.scales, id); err != nil {
			return err
		}
	}
	if kind, wide := wideKinds[e.tensor.DType]; wide {
		one := kernel.Wide{Rows: 1, Cols: e.hidden, Kind: kind, Data: e.row, Scales: e.scale}
		one.Row(dst, 0)
		return nil
	}
	for i := range dst {
		dst[i] = bf16(e.row, i)
	}
	return nil
}

// read reads a row of a tensor.
func (e *Embedding) read(p []byte, t *safetensors.Tensor, row int) error {
	if _, err := e.f.ReadAt(p, t.Offset+int64(row)*int64(len(p))); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("%s: row %d: %w", e.f.Name(), row, err)
	}
	return nil
}

// Close closes the embedding's file.
func (e *Embedding) Close() error { return e.f.Close() }
