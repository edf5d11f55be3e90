package checkpoint

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"expertfs/checkpoint/mxfp4"
)

// scanBuffer is how much CheckScales reads at a time, bytes.
const scanBuffer = 4 << 20

// ScaleBytes returns how many bytes CheckScales reads.
func (c *Checkpoint) ScaleBytes() int64 {
	var n int64
	for _, t := range c.scaleTensors() {
		n += c.places[t].Length
	}
	return n
}

// scaleTensors returns the names of the tensors that hold MXFP4 scales.
func (c *Checkpoint) scaleTensors() []string {
	var names []string
	for _, t := range Tensors(c.config, c.layout) {
		if strings.HasSuffix(t.Part, ".scales") {
			names = append(names, t.Name)
		}
	}
	return names
}

// CheckScales reads all scales and returns a [*ProblemsError] that lists the
// experts with one that is not a number, at most one for each tensor of an
// expert. It stops when ctx ends. Progress, which may be nil, is told the bytes of
// each read.
func (c *Checkpoint) CheckScales(ctx context.Context, progress func(bytes int)) error {
	var bad problems
	buf := make([]byte, scanBuffer)
	for _, name := range c.scaleTensors() {
		if err := c.checkScales(ctx, name, buf, progress, &bad); err != nil {
			return err
		}
	}
	return bad.err()
}

// checkScales reads one tensor, expert by expert.
func (c *Checkpoint) checkScales(ctx context.Context, name string, buf []byte, progress func(int), bad *problems) error {
	p := c.places[name]
	size := p.Length / int64(c.config.Experts)
	for expert := range c.config.Experts {
		begin, found := p.Offset+int64(expert)*size, false
		for at := int64(0); at < size; at += int64(len(buf)) {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			piece := buf[:min(size-at, int64(len(buf)))]
			if n, err := c.files[p.file].ReadAt(piece, begin+at); n < len(piece) {
				return fmt.Errorf("%s: tensor %q: reading %d bytes at %d: %w", c.files[p.file].Name(), name, len(piece), begin+at, err)
			}
			if i := bytes.IndexByte(piece, mxfp4.ScaleNaN); i >= 0 && !found {
				found = true
				bad.addf("%s: tensor %q: expert %d has a scale of 255 (not a number) at offset %d: download it again",
					c.files[p.file].Name(), name, expert, begin+at+int64(i))
			}
			if progress != nil {
				progress(len(piece))
			}
		}
	}
	return nil
}
