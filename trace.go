package expertfs

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"strconv"
)

// TraceMeta is what a recording says about itself, zero where it does not.
type TraceMeta struct {
	Layers, Experts, TopK int
	ExpertBytes           int64
}

// TraceStep is one line of a trace. A trace is recorded routing: which experts each
// layer chose for each token. It is lines of text, possibly compressed by gzip:
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
//	columns=...              the columns of the lines that follow, see below
//	end-stream=N             the reader of stream N has gone
//
// and ignores all others. A trace of several readers has their streams of steps
// in one more column, and says so before the first such line:
//
//	# columns=stream,token,layer,experts
//	0,17,3,31,21,22,6
//	1,4,11,18,29,12,9
//
// Streams are numbered from 0, and numbers are used again when their reader has
// gone. Tokens are counted in each stream. Lines without the column, which are
// columns=token,layer,experts, are of stream 0.
type TraceStep struct {
	Stream int
	Token  int64 // of the stream
	Layer  int
	Used   []Key // of that layer
	Opened bool  // the step was found in the order of opens

	// End says instead that the reader of the stream has gone.
	End bool
}

// The columns of lines.
const (
	columnsAlone   = "token,layer,experts"
	columnsStreams = "stream,token,layer,experts"
)

// AppendLine appends the line of the step to dst, without its stream.
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
	buf     *bufio.Writer
	zip     *gzip.Writer // nil when not compressed
	err     error
	streams map[int]*tracePosition
	column  bool // lines have their stream
	mode    string
	line    []byte
}

// tracePosition is where a stream is.
type tracePosition struct {
	token int64
	layer int // of the last step
}

// NewTraceWriter begins a trace with what is known of the model.
func NewTraceWriter(w io.Writer, compress bool, m TraceMeta) *TraceWriter {
	t := &TraceWriter{streams: make(map[int]*tracePosition)}
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

// Step writes a step, or the end of a stream. Tokens are counted, whatever
// s.Token is: a layer that does not come after the one before in its stream
// begins the next.
func (w *TraceWriter) Step(s TraceStep) {
	if s.End {
		delete(w.streams, s.Stream)
		w.Comment(fmt.Sprintf("end-stream=%d", s.Stream))
		return
	}
	mode := "hints"
	if s.Opened {
		mode = "opens"
	}
	if mode != w.mode {
		w.mode = mode
		w.Comment("steps=" + mode)
	}
	if s.Stream != 0 && !w.column {
		w.column = true
		w.Comment("columns=" + columnsStreams)
	}
	at := w.streams[s.Stream]
	if at == nil {
		at = &tracePosition{token: -1, layer: MaxIndex}
		w.streams[s.Stream] = at
	}
	if s.Layer <= at.layer {
		at.token++
	}
	at.layer, s.Token = s.Layer, at.token
	w.line = w.line[:0]
	if w.column {
		w.line = append(strconv.AppendInt(w.line, int64(s.Stream), 10), ',')
	}
	w.line = s.AppendLine(w.line)
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
