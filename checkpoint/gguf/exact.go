package gguf

import (
	"fmt"
	"io"
	"slices"

	"expertfs/checkpoint/source"
)

// exactPiece is how much is read at a time to look at values, bytes.
const exactPiece = 1 << 20

// chooseTypes decides which vectors are served in BF16: those all of whose values
// are exact in it. Biases of experts are looked at together, as all experts'
// files are of one size. The router counts as a vector here: its matrix is small.
func (m *model) chooseTypes() error {
	for _, d := range m.dense {
		if d.vector && d.kind.float() {
			kind, err := m.vectorKind(d.pieces)
			if err != nil {
				return err
			}
			d.kind = kind
		}
	}
	for i := range m.biases {
		var all []place
		for _, x := range m.layers {
			all = append(all, x.biases[i]...)
		}
		var err error
		if m.biases[i], err = m.vectorKind(all); err != nil {
			return err
		}
	}
	return nil
}

// vectorKind returns BF16 when all values of the tensors are exact in it, and
// F32 otherwise.
func (m *model) vectorKind(tensors []place) (kind, error) {
	buf := make([]byte, exactPiece)
	for i := range tensors {
		exact, err := m.exact(&tensors[i], buf)
		if err != nil {
			return 0, fmt.Errorf("%s: tensor %q: %w", m.files[tensors[i].file].Name(), tensors[i].name, err)
		}
		if !exact {
			return f32, nil
		}
	}
	return bf16, nil
}

// exact tells whether the values of a tensor are exact in BF16.
func (m *model) exact(p *place, buf []byte) (bool, error) {
	if p.kind == bf16 || !p.kind.float() {
		return p.kind == bf16, nil
	}
	size := int(kinds[p.kind].bytes)
	r := io.NewSectionReader(source.Reader(m.files[p.file]), p.off, p.len)
	for left := p.len; left > 0; {
		piece := buf[:min(left, int64(len(buf)))]
		if _, err := io.ReadFull(r, piece); err != nil {
			return false, noEOF(err)
		}
		for v := range slices.Chunk(piece, size) {
			if floatBits(p.kind, v)&0xFFFF != 0 {
				return false, nil
			}
		}
		left -= int64(len(piece))
	}
	return true, nil
}
