package gguf

import "encoding/binary"

// Types of few bits. Rows of gpt-oss have 2880 values, of which K-quants make no whole blocks:
// llama.cpp's own quantiser has IQ4_NL there for Q2_K, Q3_K and smaller ones, and these only
// in the matrix after attention, which has rows of 4096.

// nonlinear are the values that the 4 bits of IQ4_NL and IQ4_XS stand for.
var nonlinear = [16]float32{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

func decodeIQ4_NL(values []float32, b []byte) { nonlinearBlock(values, half(b), b[2:18]) }

// nonlinearBlock decodes 32 values, the first 16 of which are in the low halves of bytes.
func nonlinearBlock(values []float32, d float32, qs []byte) {
	for j, q := range qs {
		values[j] = d * nonlinear[q&15]
		values[j+16] = d * nonlinear[q>>4]
	}
}

func decodeIQ4_XS(values []float32, b []byte) {
	d, high, low, qs := half(b), binary.LittleEndian.Uint16(b[2:]), b[4:8], b[8:136]
	for group := range 8 {
		scale := low[group/2]>>(group%2*4)&15 | byte(high>>(2*group)&3)<<4
		nonlinearBlock(values[32*group:][:32], d*float32(int8(scale)-32), qs[16*group:][:16])
	}
}

func decodeQ2_K(values []float32, b []byte) {
	scales, qs, d, dmin := b[:16], b[16:80], half(b[80:]), half(b[82:])
	for i := range values {
		// Each half of a block has four runs of 32 values, in two bits of 32 bytes each.
		part, run, l := i/128, i/32%4, i%32
		q, s := qs[32*part+l]>>(2*run)&3, scales[i/16]
		values[i] = float32(d*float32(s&15)*float32(q)) - float32(dmin*float32(s>>4))
	}
}

func decodeQ3_K(values []float32, b []byte) {
	high, qs, scales, d := b[:32], b[32:96], b[96:108], half(b[108:])
	for i := range values {
		part, run, l := i/128, i/32%4, i%32
		q := int8(qs[32*part+l] >> (2 * run) & 3)
		if high[l]>>(i/32)&1 == 0 {
			q -= 4
		}
		// Of 16 scales the lower 4 bits are in 8 bytes, the upper 2 in 4 more.
		g := i / 16
		s := scales[g%8]>>(g/8*4)&15 | scales[8+g%4]>>(g/4*2)&3<<4
		values[i] = d * float32(int8(s)-32) * float32(q)
	}
}
