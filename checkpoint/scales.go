package checkpoint

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"

	"expertfs"
	"expertfs/checkpoint/format"
	"expertfs/checkpoint/mxfp4"
	"expertfs/checkpoint/safetensors"
	"expertfs/checkpoint/source"
)

// scanBuffer is how much CheckScales reads at a time, bytes.
const scanBuffer = 4 << 20

// ScaleBytes returns how many bytes of scales CheckScales looks at.
func (c *Checkpoint) ScaleBytes() int64 {
	var n int64
	for _, t := range scaleTensors(c.Expert(expertfs.Key{})) {
		n += t.Length
	}
	return n * int64(c.Config().Layers) * int64(c.Config().Experts)
}

// scaleTensors returns the tensors of an expert's view that hold MXFP4 scales.
func scaleTensors(v *View) []safetensors.Tensor {
	header, err := safetensors.ReadHeader(bytes.NewReader(v.Header), v.Size())
	if err != nil {
		panic("checkpoint: " + err.Error()) // made by this program
	}
	var scales []safetensors.Tensor
	for _, t := range header.Tensors {
		if strings.HasSuffix(t.Name, ".scales") {
			scales = append(scales, t)
		}
	}
	return scales
}

// CheckScales reads all scales and returns a [*ProblemsError] that lists the
// experts with one that is not a number, at most one for each tensor of an
// expert. It stops when ctx ends. Progress, which may be nil, is told the bytes of
// each read.
func (c *Checkpoint) CheckScales(ctx context.Context, progress func(bytes int)) error {
	s := scan{c: c, files: source.Readers(c.Files()), buf: make([]byte, scanBuffer), progress: progress}
	cfg := c.Config()
	for layer := range cfg.Layers {
		scales := scaleTensors(c.Expert(expertfs.NewKey(layer, 0)))
		for _, t := range scales {
			for expert := range cfg.Experts {
				if err := s.tensor(ctx, expertfs.NewKey(layer, expert), t); err != nil {
					return err
				}
			}
		}
	}
	return s.bad.Err()
}

// scan is one run of CheckScales.
type scan struct {
	c        *Checkpoint
	files    []io.ReaderAt
	buf      []byte
	progress func(int)
	bad      format.Problems
}

// tensor reads the scales of one matrix of an expert.
func (s *scan) tensor(ctx context.Context, k expertfs.Key, t safetensors.Tensor) error {
	v := s.c.Expert(k)
	found := false
	for at := int64(0); at < t.Length; at += int64(len(s.buf)) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		piece := s.buf[:min(t.Length-at, int64(len(s.buf)))]
		file, _ := s.place(v, t.Offset+at)
		if err := v.ReadAt(s.files, piece, t.Offset+at); err != nil {
			return fmt.Errorf("%s: %v: %s: %w", file, k, t.Name, err)
		}
		if i := bytes.IndexByte(piece, mxfp4.ScaleNaN); i >= 0 && !found {
			found = true
			file, off := s.place(v, t.Offset+at+int64(i))
			s.bad.Addf("%s: %v has a scale of 255 (not a number) in %s, at offset %d of the file: download it again",
				file, k, t.Name, off)
		}
		if s.progress != nil {
			s.progress(len(piece))
		}
	}
	return nil
}

// place names the file, and the offset in it, that a byte of a view comes from.
func (s *scan) place(v *View, off int64) (file string, at int64) {
	e := v.Origin(off)
	return s.c.Files()[e.File].Name(), e.Off
}
