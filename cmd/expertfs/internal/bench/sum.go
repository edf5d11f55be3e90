package bench

import "encoding/binary"

// Sum adds up a file's bytes as little-endian 64-bit words, the last one padded
// with zeros. It reads about as fast as one core can, so that where the bytes
// lie is what is measured, and not what is done with them.
func Sum(b []byte) uint64 {
	sum, rest := sumGroups(b)
	return sum + sumPortable(rest)
}

// line is what a processor fetches from memory at once.
const line = 64

// sumPortable is Sum in Go. It reads eight pages at a time, a line of each in
// turn: processors fetch ahead within a page but not into the next, and so fetch
// ahead in all eight. That is half as fast again as page after page.
func sumPortable(b []byte) (sum uint64) {
	const page, block = 4096, 8 * 4096
	for ; len(b) >= block; b = b[block:] {
		for i := 0; i < page; i += line {
			for j := i; j < block; j += page {
				sum += sumLine((*[line]byte)(b[j:]))
			}
		}
	}
	for ; len(b) >= line; b = b[line:] {
		sum += sumLine((*[line]byte)(b))
	}
	var rest [line]byte
	copy(rest[:], b)
	return sum + sumLine(&rest)
}

func sumLine(b *[line]byte) uint64 {
	le := binary.LittleEndian
	return le.Uint64(b[0:]) + le.Uint64(b[8:]) + le.Uint64(b[16:]) + le.Uint64(b[24:]) +
		le.Uint64(b[32:]) + le.Uint64(b[40:]) + le.Uint64(b[48:]) + le.Uint64(b[56:])
}
