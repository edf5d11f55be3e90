package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"
)

// npyWriter writes a float32 matrix in NumPy's format, row by row.
type npyWriter struct {
	w   *bufio.Writer
	buf []byte
}

// newNpyWriter writes the header of a matrix of rows x cols.
func newNpyWriter(w io.Writer, rows, cols int) (*npyWriter, error) {
	const magic = "\x93NUMPY\x01\x00"
	dict := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", rows, cols)
	const align = 64 // of the data, as the format asks
	size := (len(magic) + 2 + len(dict) + 1 + align - 1) / align * align
	dict += strings.Repeat(" ", size-len(magic)-2-len(dict)-1) + "\n"
	head := binary.LittleEndian.AppendUint16([]byte(magic), uint16(len(dict)))
	b := bufio.NewWriterSize(w, 1<<16)
	if _, err := b.Write(append(head, dict...)); err != nil {
		return nil, err
	}
	return &npyWriter{w: b}, nil
}

func (n *npyWriter) row(values []float32) error {
	n.buf = n.buf[:0]
	for _, v := range values {
		n.buf = binary.LittleEndian.AppendUint32(n.buf, math.Float32bits(v))
	}
	_, err := n.w.Write(n.buf)
	return err
}

func (n *npyWriter) flush() error { return n.w.Flush() }
