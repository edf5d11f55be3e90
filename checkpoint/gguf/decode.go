package gguf

import (
	"encoding/binary"
	"math"

	"expertfs/checkpoint/view"
)

// decoders make a block of a quantised type into its values. They compute as
// ggml does, in float32 and in its order, so that the values are the same bits.
var decoders = map[kind]func(values []float32, block []byte){
	2:    decodeQ4_0,
	3:    decodeQ4_1,
	6:    decodeQ5_0,
	7:    decodeQ5_1,
	q8_0: decodeQ8_0,
	10:   decodeQ2_K,
	11:   decodeQ3_K,
	12:   decodeQ4_K,
	13:   decodeQ5_K,
	14:   decodeQ6_K,
	20:   decodeIQ4_NL,
	23:   decodeIQ4_XS,
}

// decodeTransform makes blocks of a quantised type into F32.
func decodeTransform(k kind) *view.Transform {
	t, decode := kinds[k], decoders[k]
	return &view.Transform{
		Name: t.name + " to F32", In: []int64{t.bytes}, Out: []int64{4 * t.values},
		Apply: func(dst, src [][]byte) {
			values := make([]float32, t.values)
			for i := range len(src[0]) / int(t.bytes) {
				decode(values, src[0][i*int(t.bytes):(i+1)*int(t.bytes)])
				out := dst[0][4*i*int(t.values):]
				for j, v := range values {
					binary.LittleEndian.PutUint32(out[4*j:], math.Float32bits(v))
				}
			}
		},
	}
}

// half returns the float16 at the beginning of b.
func half(b []byte) float32 { return math.Float32frombits(halfBits(binary.LittleEndian.Uint16(b))) }

func decodeQ8_0(values []float32, b []byte) {
	d := half(b)
	for j := range values {
		values[j] = float32(int8(b[2+j])) * d
	}
}

func decodeQ4_0(values []float32, b []byte) {
	d := half(b)
	for j, q := range b[2:18] {
		values[j] = float32(int(q&15)-8) * d
		values[j+16] = float32(int(q>>4)-8) * d
	}
}

func decodeQ4_1(values []float32, b []byte) {
	d, m := half(b), half(b[2:])
	for j, q := range b[4:20] {
		values[j] = float32(float32(q&15)*d) + m // the conversion forbids fusing
		values[j+16] = float32(float32(q>>4)*d) + m
	}
}

func decodeQ5_0(values []float32, b []byte) {
	d, high := half(b), binary.LittleEndian.Uint32(b[2:])
	for j, q := range b[6:22] {
		values[j] = float32(int(q&15|uint8(high>>j&1)<<4)-16) * d
		values[j+16] = float32(int(q>>4|uint8(high>>(j+16)&1)<<4)-16) * d
	}
}

func decodeQ5_1(values []float32, b []byte) {
	d, m, high := half(b), half(b[2:]), binary.LittleEndian.Uint32(b[4:])
	for j, q := range b[8:24] {
		values[j] = float32(float32(q&15|uint8(high>>j&1)<<4)*d) + m
		values[j+16] = float32(float32(q>>4|uint8(high>>(j+16)&1)<<4)*d) + m
	}
}

// scaleMin returns the 6-bit scale and minimum of group j of 8 in a block of 256.
func scaleMin(j int, s []byte) (scale, min float32) {
	if j < 4 {
		return float32(s[j] & 63), float32(s[j+4] & 63)
	}
	return float32(s[j+4]&15 | s[j-4]>>6<<4), float32(s[j+4]>>4 | s[j]>>6<<4)
}

func decodeQ4_K(values []float32, b []byte) {
	d, dmin, scales, qs := half(b), half(b[2:]), b[4:16], b[16:144]
	for group := range 8 {
		sc, m := scaleMin(group, scales)
		d1, m1 := d*sc, dmin*m
		for l, q := range qs[group/2*32:][:32] {
			q = q >> (group % 2 * 4) & 15
			values[group*32+l] = float32(d1*float32(q)) - m1
		}
	}
}

func decodeQ5_K(values []float32, b []byte) {
	d, dmin, scales, high, qs := half(b), half(b[2:]), b[4:16], b[16:48], b[48:176]
	for group := range 8 {
		sc, m := scaleMin(group, scales)
		d1, m1 := d*sc, dmin*m
		for l, q := range qs[group/2*32:][:32] {
			q = q>>(group%2*4)&15 | high[l]>>group&1<<4
			values[group*32+l] = float32(d1*float32(q)) - m1
		}
	}
}

func decodeQ6_K(values []float32, b []byte) {
	low, high, scales, d := b[:128], b[128:192], b[192:208], half(b[208:])
	for i := range values {
		// Each half of a block has four runs of 32 values: two in the low
		// nibbles of 64 bytes, two in the high ones; 32 bytes have the upper
		// two bits of all four.
		part, run, l := i/128, i/32%4, i%32
		q := low[64*part+32*(run%2)+l] >> (run / 2 * 4) & 15
		q |= high[32*part+l] >> (2 * run) & 3 << 4
		scale := float32(int8(scales[i/16]))
		values[i] = float32(d*scale) * float32(int8(q)-32)
	}
}
