package q8

import (
	"encoding/binary"
	"math"
	"slices"
	"unsafe"
)

// rounder makes tiles of which each has some rows of each piece.
type rounder struct {
	*matrix
	pieces []piece // rows of a tile
}

// apply is a view.Transform's.
func (r *rounder) apply(dst, src [][]byte) {
	blocks := Blocks(r.columns)
	data, scales := Int8s(dst[0]), BF16s(dst[1])
	var w workspace
	for u := int64(0); len(data) > 0; u++ {
		d, s := data[:blocks*TileBlock], scales[:blocks*TileRows]
		data, scales = data[len(d):], scales[len(s):]
		lane, input := 0, 0
		for i := range r.pieces {
			p := &r.pieces[i]
			plain, own := w.plain(p, u, src[input:])
			input += len(p.from)
			for row := range int(p.rows) {
				w.setRow(r.matrix, d[4*lane:], s[lane:], rowOf(plain, row, p.rows), rowOf(own, row, p.rows))
				lane++
			}
		}
		for ; lane < TileRows; lane++ { // beyond the last row
			Floats(d[4*lane:], s[lane:], make([]float32, r.columns))
		}
	}
}

// rowOf is one of several rows.
func rowOf(all []byte, row int, rows int64) []byte {
	size := len(all) / int(rows)
	return all[row*size : (row+1)*size]
}

// workspace is what rows are made in before they are rounded.
type workspace struct {
	values, scales []byte
	floats         []float32
}

// plain returns the dense file's rows of a piece in tile u, and their scales if the
// matrix is I8. Inputs are the piece's, of all tiles.
func (w *workspace) plain(p *piece, u int64, inputs [][]byte) (values, scales []byte) {
	stored := make([][]byte, len(p.from))
	for i := range stored {
		n := p.rows * p.row[i]
		stored[i] = inputs[i][u*n : (u+1)*n]
	}
	if p.before != nil {
		units := p.rows * p.row[0] / p.before.In[0]
		outs := make([][]byte, len(p.before.Out))
		for i, memory := range []*[]byte{&w.values, &w.scales}[:len(outs)] {
			*memory = slices.Grow((*memory)[:0], int(units*p.before.Out[i]))
			outs[i] = (*memory)[:units*p.before.Out[i]]
		}
		p.before.Apply(outs, stored)
		stored = outs
	}
	if len(stored) > 1 {
		scales = stored[1]
	}
	return stored[0], scales
}

// setRow rounds a row of the dense file.
func (w *workspace) setRow(m *matrix, data []int8, scales []uint16, row, own []byte) {
	switch m.DType {
	case "BF16":
		Row(data, scales, row)
	case "I8":
		Q8_0(data, scales, row, own)
	default:
		w.floats = Decode(w.floats[:0], m.DType, row)
		Floats(data, scales, w.floats)
	}
}

// Decode appends the numbers of bytes of a type, BF16, F16 or F32.
func Decode(dst []float32, dtype string, b []byte) []float32 {
	switch dtype {
	case "F32":
		for ; len(b) > 0; b = b[4:] {
			dst = append(dst, math.Float32frombits(binary.LittleEndian.Uint32(b)))
		}
	case "F16":
		for ; len(b) > 0; b = b[2:] {
			dst = append(dst, FromF16(binary.LittleEndian.Uint16(b)))
		}
	case "BF16":
		for ; len(b) > 0; b = b[2:] {
			dst = append(dst, fromBF16(binary.LittleEndian.Uint16(b)))
		}
	default:
		panic("q8: no numbers of type " + dtype)
	}
	return dst
}

// Int8s returns bytes as the numbers that they are, in the same memory.
func Int8s(b []byte) []int8 {
	return unsafe.Slice((*int8)(unsafe.Pointer(unsafe.SliceData(b))), len(b))
}

// BF16s returns bytes as the numbers that they are, in the same memory and in the
// order of this machine, which is little-endian. b begins at an even address.
func BF16s(b []byte) []uint16 {
	return unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/2)
}
