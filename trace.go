package expertfs

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"strconv"
)

// A trace is recorded routing: which experts each layer chose for each token. It
// is lines of text, possibly compressed by gzip:
//
//	token,layer,e0,e1,...
//
// One line is one step: the experts that a layer chose, in the order the
// router ranked them where that is known. Lines come in the order in which
// they happened; a line with the token and layer of the one before is the
// next step nevertheless. Lines that begin with # are comments. Those made of
// key=value words tell about the recording; a reader knows
//
//	layers, experts, top-k   the model
//	expert-bytes             the size of one expert
//	steps=hints              the steps that follow were announced by the reader
//	steps=opens              they were found in the order of opens
//
// and ignores all others.

// TraceMeta is what a recording says about itself, zero where it does not.
type TraceMeta struct {
	Layers, Experts, TopK int
	ExpertBytes           int64
}

// TraceStep is one line of a trace.
type TraceStep struct {
	Token  int64
	Layer  int
	Used   []Key // of that layer
	Opened bool  // the step was found in the order of opens
}

// AppendLine appends the line of the step to dst.
func (s TraceStep) AppendLine(dst []byte) []byte {
	dst = strconv.AppendInt(dst, s.Token, 10)
	dst = strconv.AppendInt(append(dst, ','), int64(s.Layer), 10)
	for _, k := range s.Used {
		dst = strconv.AppendInt(append(dst, ','), int64(k.Expert), 10)
	}
	return append(dst, '\n')
}

// TraceWriter writes a trace. It is not safe for concurrent use. Its errors stick:
// after one, all that follows is dropped, and Close returns it.
type TraceWriter struct {
	buf   *bufio.Writer
	zip   *gzip.Writer // nil when not compressed
	err   error
	token int64
	layer int // of the last step
	mode  string
	line  []byte
}

// NewTraceWriter begins a trace with what is known of the model.
func NewTraceWriter(w io.Writer, compress bool, m TraceMeta) *TraceWriter {
	t := &TraceWriter{layer: MaxIndex, token: -1}
	if compress {
		t.zip = gzip.NewWriter(w)
		w = t.zip
	}
	t.buf = bufio.NewWriter(w)
	t.Comment(fmt.Sprintf("layers=%d experts=%d top-k=%d expert-bytes=%d", m.Layers, m.Experts, m.TopK, m.ExpertBytes))
	return t
}

// Comment writes a comment of one line.
func (w *TraceWriter) Comment(text string) {
	w.write([]byte("# " + text + "\n"))
}

// Step writes a step. Tokens are counted, whatever s.Token is: a layer that does
// not come after the one before begins the next.
func (w *TraceWriter) Step(s TraceStep) {
	mode := "hints"
	if s.Opened {
		mode = "opens"
	}
	if mode != w.mode {
		w.mode = mode
		w.Comment("steps=" + mode)
	}
	if s.Layer <= w.layer {
		w.token++
	}
	w.layer = s.Layer
	s.Token = w.token
	w.line = s.AppendLine(w.line[:0])
	w.write(w.line)
}

func (w *TraceWriter) write(line []byte) {
	if w.err == nil {
		_, w.err = w.buf.Write(line)
	}
}

// Flush hands what was written to the underlying writer, as far as the
// compression allows a reader to see it.
func (w *TraceWriter) Flush() error {
	if w.err == nil {
		w.err = w.buf.Flush()
	}
	if w.err == nil && w.zip != nil {
		w.err = w.zip.Flush()
	}
	return w.err
}

// Close ends the trace. The underlying writer stays open.
func (w *TraceWriter) Close() error {
	w.Flush()
	if w.err == nil && w.zip != nil {
		w.err = w.zip.Close()
	}
	return w.err
}
