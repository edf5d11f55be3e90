package synth

import (
	"encoding/binary"
	"hash/fnv"
	"math"

	"expertfs/checkpoint/mxfp4"
)

// words gives a tensor's contents as a random-access stream: words(i) is bytes
// 8i to 8i+7, little-endian.
type words func(i uint64) uint64

// fill writes the bytes from offset off on to dst.
func (w words) fill(dst []byte, off int64) {
	i := uint64(off) / 8
	if skip := int(off % 8); skip > 0 {
		var first [8]byte
		binary.LittleEndian.PutUint64(first[:], w(i))
		dst = dst[copy(dst, first[skip:]):]
		i++
	}
	for ; len(dst) >= 8; dst = dst[8:] {
		binary.LittleEndian.PutUint64(dst, w(i))
		i++
	}
	if len(dst) > 0 {
		var last [8]byte
		binary.LittleEndian.PutUint64(last[:], w(i))
		copy(dst, last[:])
	}
}

// golden is the increment of SplitMix64: 2^64 over the golden ratio.
const golden = 0x9E3779B97F4A7C15

// mix is the output function of SplitMix64 (Steele, Lea, Flood 2014). Applied to
// a counter it makes independent words in any order.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

// streamKey gives each tensor a stream of its own under a seed.
func streamKey(seed uint64, tensor string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(tensor)) // never fails
	return mix(mix(seed+golden) ^ h.Sum64())
}

// uniform makes bytes that take every value alike: as MXFP4 blocks, codes that
// do.
func uniform(key uint64) words {
	return func(i uint64) uint64 { return mix(key + i*golden) }
}

// tableBits is the number of random bits behind one normal value. 4096
// different values are enough for weights and stay in the first-level cache.
const tableBits = 12

// normal makes bfloat16 values of a normal distribution.
func normal(key uint64, mean, std float64) words {
	var table [1 << tableBits]uint64
	for i := range table {
		p := (float64(i) + 0.5) / float64(len(table))
		table[i] = uint64(bfloat16(mean + std*math.Sqrt2*math.Erfinv(2*p-1)))
	}
	const mask = 1<<tableBits - 1
	return func(i uint64) uint64 {
		r := mix(key + i*golden)
		return table[r&mask] | table[r>>16&mask]<<16 | table[r>>32&mask]<<32 | table[r>>48&mask]<<48
	}
}

// scales makes MXFP4 scale bytes: 2^exponent, and in a quarter of the blocks
// each half and twice that.
func scales(key uint64, exponent int) words {
	base := uint64(exponent + mxfp4.ScaleBias)
	table := [4]uint64{base - 1, base, base, base + 1}
	return func(i uint64) uint64 {
		r := mix(key + i*golden)
		var w uint64
		for b := 0; b < 64; b += 8 {
			w |= table[r>>b&3] << b
		}
		return w
	}
}

// scalesRMS is the root mean square of the scales around 2^exponent.
var scalesRMS = math.Sqrt((0.25 + 1 + 1 + 4) / 4)

// codesRMS is the root mean square of the MXFP4 values when every code is
// alike: (0 + .25 + 1 + 2.25 + 4 + 9 + 16 + 36) / 8, and its root.
var codesRMS = math.Sqrt(68.5 / 8)

// bfloat16sInWord is how many values of normal make a word.
const bfloat16sInWord = 4

// joined is a up to word n and b from there on.
func joined(a words, n uint64, b words) words {
	return func(i uint64) uint64 {
		if i < n {
			return a(i)
		}
		return b(i)
	}
}

// bfloat16 rounds v to the nearest bfloat16, ties to even. v is finite.
func bfloat16(v float64) uint16 {
	bits := math.Float32bits(float32(v))
	return uint16((bits + 0x7FFF + bits>>16&1) >> 16)
}
