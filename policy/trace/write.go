package trace

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"strconv"

	"expertfs/policy"
)

// Writer writes a trace. It is not safe for concurrent use. Its errors stick:
// after one, all that follows is dropped, and Close returns it.
type Writer struct {
	buf   *bufio.Writer
	zip   *gzip.Writer // nil when not compressed
	err   error
	token int64
	layer int // of the last step
	mode  string
	line  []byte
}

// NewWriter begins a trace with what is known of the model.
func NewWriter(w io.Writer, compress bool, m Meta) *Writer {
	t := &Writer{layer: maxIndex, token: -1}
	if compress {
		t.zip = gzip.NewWriter(w)
		w = t.zip
	}
	t.buf = bufio.NewWriter(w)
	t.Comment(fmt.Sprintf("layers=%d experts=%d top-k=%d expert-bytes=%d", m.Layers, m.Experts, m.TopK, m.ExpertBytes))
	return t
}

// Comment writes a comment of one line.
func (w *Writer) Comment(text string) {
	w.write([]byte("# " + text + "\n"))
}

// Step writes a step. Tokens are counted: a layer that does not come after the
// one before begins the next. Opened tells that the step was found in the
// order of opens, not announced.
func (w *Writer) Step(layer int, used []policy.Key, opened bool) {
	mode := "hints"
	if opened {
		mode = "opens"
	}
	if mode != w.mode {
		w.mode = mode
		w.Comment("steps=" + mode)
	}
	if layer <= w.layer {
		w.token++
	}
	w.layer = layer
	w.line = strconv.AppendInt(w.line[:0], w.token, 10)
	w.line = append(w.line, ',')
	w.line = strconv.AppendInt(w.line, int64(layer), 10)
	for _, k := range used {
		w.line = append(w.line, ',')
		w.line = strconv.AppendInt(w.line, int64(k.Expert), 10)
	}
	w.write(append(w.line, '\n'))
}

func (w *Writer) write(line []byte) {
	if w.err == nil {
		_, w.err = w.buf.Write(line)
	}
}

// Flush hands what was written to the underlying writer, as far as the
// compression allows a reader to see it.
func (w *Writer) Flush() error {
	if w.err == nil {
		w.err = w.buf.Flush()
	}
	if w.err == nil && w.zip != nil {
		w.err = w.zip.Flush()
	}
	return w.err
}

// Close ends the trace. The underlying writer stays open.
func (w *Writer) Close() error {
	w.Flush()
	if w.err == nil && w.zip != nil {
		w.err = w.zip.Close()
	}
	return w.err
}
