package weights

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"expertfs/checkpoint/safetensors"
	"expertfs/infer/kernel"
)

// Weights outside the experts are BF16 in the published checkpoints. Mounts of
// other files have, for what BF16 cannot hold exactly, F32, F16, and I8 beside a
// tensor of float16 scales, one for every 32 columns.
const scalesSuffix = ".scales"

// elementSizes are bytes of an element.
var elementSizes = map[string]int{"BF16": 2, "U8": 1, "F32": 4, "F16": 2, "I8": 1}

// floats are the types that a vector may have, matrices those of a matrix.
var (
	floats   = []string{"BF16", "F32", "F16"}
	matrices = []string{"BF16", "F32", "F16", "I8"}
)

// wideKinds are the types of kernel.Wide.
var wideKinds = map[string]kernel.WideKind{"F32": kernel.WideF32, "F16": kernel.WideF16, "I8": kernel.WideQ8_0}

// locate finds the named tensor of a file after checking that it has one of the
// dtypes, and the shape that the config calls for, and that its bytes are there.
func locate(path string, h *safetensors.Header, size int64, name string, dtypes []string, shape []int) (*safetensors.Tensor, error) {
	t, ok := h.Tensor(name)
	if !ok {
		return nil, fmt.Errorf("%s: tensor %s is missing", path, name)
	}
	want := make([]int64, len(shape))
	length := int64(elementSizes[t.DType])
	for i, n := range shape {
		want[i] = int64(n)
		length *= int64(n)
	}
	if !slices.Contains(dtypes, t.DType) || !slices.Equal(t.Shape, want) {
		return nil, fmt.Errorf("%s: tensor %s is %s %v, the config calls for %s %v: one of the files is of another model", path, name, t.DType, t.Shape, dtypes[0], want)
	}
	if t.Length != length || t.Offset < 0 || t.Offset > size-length {
		return nil, fmt.Errorf("%s: tensor %s has its bytes outside of the file (%d bytes)", path, name, size)
	}
	return &t, nil
}

// scalesShape is the shape of the scales beside an I8 matrix.
func scalesShape(rows, cols int) []int { return []int{rows, cols / 32} }

// decode returns the numbers of a vector in any of the types of floats.
func decode(dtype string, b []byte) []float32 {
	v := make([]float32, len(b)/elementSizes[dtype])
	for i := range v {
		switch dtype {
		case "BF16":
			v[i] = bf16(b, i)
		case "F32":
			v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		case "F16":
			v[i] = kernel.FromF16(binary.LittleEndian.Uint16(b[2*i:]))
		}
	}
	return v
}

// Bias is a vector in a file, BF16 or F32.
type Bias struct {
	data []byte
	wide bool // F32
}

// Add adds the elements from lo on to dst.
func (b *Bias) Add(dst []float32, lo int) {
	if b.wide {
		kernel.AddF32(dst, b.data[4*lo:])
	} else {
		kernel.AddBF16(dst, b.data[2*lo:])
	}
}
