// Package trace names the trace format of package expertfs as its last users
// still do.
package trace

import (
	"io"

	"expertfs"
)

type (
	Meta   = expertfs.TraceMeta
	Step   = expertfs.TraceStep
	Reader = expertfs.TraceReader
)

// Writer is a writer of one reader's steps.
type Writer struct{ *expertfs.TraceWriter }

func NewReader(r io.Reader, name string) (*Reader, error) { return expertfs.NewTraceReader(r, name) }

func NewWriter(w io.Writer, compress bool, m Meta) *Writer {
	return &Writer{expertfs.NewTraceWriter(w, compress, m)}
}

func (w *Writer) Step(layer int, used []expertfs.Key, opened bool) {
	w.TraceWriter.Step(expertfs.TraceStep{Layer: layer, Used: used, Opened: opened})
}
