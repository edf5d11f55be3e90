package q8

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// bf16s makes n numbers; some blocks have what is not rounded as others are.
func bf16s(rng *rand.Rand, n int) []byte {
	b := make([]byte, 0, 2*n)
	special := []uint16{0x7F80, 0xFF80, 0x7FC1, 0x0001, 0x8000, 0x0D7F, 0x7F7F}
	for i := range n {
		v := toBF16(float32(rng.NormFloat64() * math.Pow(2, float64(rng.IntN(9)-4))))
		switch block := i / BlockLen; {
		case block%7 == 3 && rng.IntN(20) == 0:
			v = special[rng.IntN(len(special))]
		case block%7 == 5:
			v = v&0x807F | 0x0080 // below the smallest
		}
		b = binary.LittleEndian.AppendUint16(b, v)
	}
	return b
}

// naive rounds a row by the words of the package's documentation, in float64 where
// that makes no difference.
func naive(row []float32) (ints []int8, scales []uint16) {
	for len(row) > 0 {
		var block [BlockLen]float32
		row = row[copy(block[:], row):]
		largest, sound := float32(0), true
		for _, v := range block {
			sound = sound && !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0)
			largest = max(largest, float32(math.Abs(float64(v))))
		}
		scale := uint16(0)
		switch {
		case !sound:
			scale = 0x7FC0
		case float64(largest) >= math.Pow(2, -100):
			for float64(fromBF16(scale)) < float64(largest/127) { // up
				scale = uint16(math.Float32bits(largest/127)>>16) + scale&1
				if float64(fromBF16(scale)) < float64(largest/127) {
					scale++
				}
			}
		}
		scales = append(scales, scale)
		for _, v := range block {
			q := 0.0
			if sound && scale != 0 {
				q = math.RoundToEven(float64(v * (1 / fromBF16(scale))))
			}
			ints = append(ints, int8(q))
		}
	}
	return ints, scales
}

// tileOf lays rows out as the documentation says: [blocks][8][16][4] and [blocks][16].
func tileOf(rows [][]int8, rowScales [][]uint16) (data []int8, scales []uint16) {
	for b := range len(rowScales[0]) {
		for k := range 8 {
			for r := range TileRows {
				for e := 4 * k; e < 4*k+4; e++ {
					column := 2*(e%16) + e/16 // 16 even, then 16 odd columns
					v := int8(0)
					if r < len(rows) {
						v = rows[r][b*BlockLen+column]
					}
					data = append(data, v)
				}
			}
		}
		for r := range TileRows {
			s := uint16(0)
			if r < len(rows) {
				s = rowScales[r][b]
			}
			scales = append(scales, s)
		}
	}
	return data, scales
}

func TestRowsAreRoundedAsDescribed(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, columns := range []int{1, 31, 32, 33, 64, 96, 2880, 2900} {
		t.Run(fmt.Sprint(columns), func(t *testing.T) {
			var ints [][]int8
			var own [][]uint16
			n := Blocks(columns)
			var data [3][]int8
			var scales [3][]uint16
			for i := range data {
				data[i], scales[i] = make([]int8, n*TileBlock), make([]uint16, n*TileRows)
			}
			for lane := range TileRows {
				row := bf16s(rng, columns)
				floats := Decode(nil, "BF16", row)
				q, s := naive(floats)
				ints, own = append(ints, q), append(own, s)
				Row(data[0][4*lane:], scales[0][lane:], row)
				RowGeneric(data[1][4*lane:], scales[1][lane:], row)
				Floats(data[2][4*lane:], scales[2][lane:], floats)
			}
			want, wantScales := tileOf(ints, own)
			for i, name := range []string{"Row", "RowGeneric", "Floats"} {
				require.Equal(t, wantScales, scales[i], name)
				require.Equal(t, want, data[i], name)
			}
		})
	}
}

// TestRowStaysWithinItsMemory has the assembly write to the last row of a tile.
func TestRowStaysWithinItsMemory(t *testing.T) {
	const columns = 96
	row := bf16s(rand.New(rand.NewPCG(3, 4)), columns)
	lane, n := TileRows-1, Blocks(columns)
	data, scales := make([]int8, n*TileBlock+64), make([]uint16, n*TileRows+32)
	for i := range data {
		data[i] = 99
	}
	for i := range scales {
		scales[i] = 9999
	}
	Row(data[4*lane:n*TileBlock], scales[lane:n*TileRows], row)
	for i, v := range data {
		if i >= n*TileBlock || i%64/4 != lane {
			require.Equal(t, int8(99), v, "byte %d", i)
		}
	}
	for i, v := range scales {
		if i >= n*TileRows || i%TileRows != lane {
			require.Equal(t, uint16(9999), v, "scale %d", i)
		}
	}
}

func TestHalfPrecision(t *testing.T) {
	for h := range 1 << 16 {
		sign, exp, frac := float64(1-2*(h>>15)), h>>10&31, float64(h&1023)
		want := sign * math.Ldexp(1+frac/1024, exp-15)
		switch {
		case exp == 0:
			want = sign * math.Ldexp(frac, -24)
		case exp == 31 && frac == 0:
			want = math.Inf(int(sign))
		case exp == 31:
			require.True(t, math.IsNaN(float64(FromF16(uint16(h)))))
			continue
		}
		require.Equal(t, want, float64(FromF16(uint16(h))), "%#x", h)
	}
}

func BenchmarkRow(b *testing.B) {
	const columns = 2880
	row := bf16s(rand.New(rand.NewPCG(5, 6)), columns)
	data, scales := make([]int8, Blocks(columns)*TileBlock), make([]uint16, Blocks(columns)*TileRows)
	b.SetBytes(int64(TileRows * len(row)))
	for b.Loop() {
		for lane := range TileRows {
			Row(data[4*lane:], scales[lane:], row)
		}
	}
}
