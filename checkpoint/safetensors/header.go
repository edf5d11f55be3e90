package safetensors

import (
	"errors"
	"fmt"
	"math"
)

// MaxHeader is the largest header, in bytes, that the format allows.
const MaxHeader = 100_000_000

// prefixLen is the length in bytes of the number before the header.
const prefixLen = 8

// metadataKey is the one header entry that is not a tensor.
const metadataKey = "__metadata__"

// Tensor describes one tensor of a file.
type Tensor struct {
	Name   string
	DType  string  // as spelled in the header: "BF16", "U8", ...
	Shape  []int64 // slowest dimension first; empty for a scalar
	Offset int64   // of the first byte, from the start of the file
	Length int64   // bytes
}

// Header is the parsed header of a file. It is not modified once read, so that
// it may be used by several goroutines.
type Header struct {
	Tensors   []Tensor          // by ascending offset
	Metadata  map[string]string // nil when the file has none
	DataStart int64             // offset of the first byte after the header

	index map[string]int // name to position in Tensors
}

// Tensor returns the tensor of that name.
func (h *Header) Tensor(name string) (Tensor, bool) {
	i, ok := h.index[name]
	if !ok {
		return Tensor{}, false
	}
	return h.Tensors[i], true
}

// dtypeBits holds the width of one element of every type the format knows.
var dtypeBits = map[string]int64{
	"BOOL": 8, "U8": 8, "I8": 8, "U16": 16, "I16": 16, "U32": 32, "I32": 32, "U64": 64, "I64": 64,
	"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8,
	"F16": 16, "BF16": 16, "F32": 32, "F64": 64, "C64": 64,
}

// errDType is the error of a type that is not known.
var errDType = errors.New("unknown dtype")

// ByteLen returns the number of bytes that a tensor of this type and shape
// takes. Unknown types, negative dimensions and sizes beyond 63 bits are errors.
func ByteLen(dtype string, shape []int64) (int64, error) {
	bits, ok := dtypeBits[dtype]
	if !ok {
		for _, d := range shape {
			if d < 0 {
				return 0, fmt.Errorf("negative dimension in shape %v", shape)
			}
		}
		return 0, fmt.Errorf("%w %q", errDType, dtype)
	}
	n := bits
	for _, d := range shape {
		if d < 0 {
			return 0, fmt.Errorf("negative dimension in shape %v", shape)
		}
		if d > 0 && n > math.MaxInt64/d {
			return 0, fmt.Errorf("shape %v of %s is larger than any file", shape, dtype)
		}
		n *= d
	}
	if n%8 != 0 {
		return 0, fmt.Errorf("shape %v of %s does not fill whole bytes", shape, dtype)
	}
	return n / 8, nil
}
