package gguf

import "fmt"

// kind is ggml's number of a tensor's type.
type kind uint32

// The types that are served.
const (
	f32    kind = 0
	f16    kind = 1
	mxfp4o kind = 4 // Ollama's MXFP4; ggml once had a type there, and dropped it
	q8_0   kind = 8
	bf16   kind = 30
	mxfp4  kind = 39
)

// layouts of ggml's types: how many values make a block, and how many bytes.
var kinds = map[kind]struct {
	name   string
	values int64
	bytes  int64
}{
	f32: {"F32", 1, 4}, f16: {"F16", 1, 2}, bf16: {"BF16", 1, 2},
	2: {"Q4_0", 32, 18}, 3: {"Q4_1", 32, 20}, mxfp4o: {"MXFP4 of Ollama", 32, 17},
	6: {"Q5_0", 32, 22}, 7: {"Q5_1", 32, 24}, q8_0: {"Q8_0", 32, 34}, 9: {"Q8_1", 32, 36},
	10: {"Q2_K", 256, 84}, 11: {"Q3_K", 256, 110}, 12: {"Q4_K", 256, 144}, 13: {"Q5_K", 256, 176}, 14: {"Q6_K", 256, 210}, 15: {"Q8_K", 256, 292},
	16: {"IQ2_XXS", 256, 66}, 17: {"IQ2_XS", 256, 74}, 18: {"IQ3_XXS", 256, 98}, 19: {"IQ1_S", 256, 50}, 20: {"IQ4_NL", 32, 18},
	21: {"IQ3_S", 256, 110}, 22: {"IQ2_S", 256, 82}, 23: {"IQ4_XS", 256, 136}, 29: {"IQ1_M", 256, 56},
	24: {"I8", 1, 1}, 25: {"I16", 1, 2}, 26: {"I32", 1, 4}, 27: {"I64", 1, 8}, 28: {"F64", 1, 8},
	34: {"TQ1_0", 256, 54}, 35: {"TQ2_0", 256, 66}, mxfp4: {"MXFP4", 32, 17},
	40: {"NVFP4", 64, 36}, 41: {"Q1_0", 128, 18}, 42: {"Q2_0", 64, 18},
}

func (k kind) String() string {
	if t, ok := kinds[k]; ok {
		return t.name
	}
	return fmt.Sprintf("no. %d", uint32(k)) // of a later version of ggml
}

// length returns the bytes of a tensor, -1 when the type is not known.
func (k kind) length(dims []int64) (int64, error) {
	n := int64(1)
	for _, d := range dims {
		if d < 1 {
			return 0, fmt.Errorf("dimension %d", d)
		}
		if n > maxElements/d {
			return 0, fmt.Errorf("dimensions %v are larger than any file", dims)
		}
		n *= d
	}
	t, ok := kinds[k]
	if !ok {
		return -1, nil
	}
	if dims[0]%t.values != 0 {
		return 0, fmt.Errorf("rows of %d values are no whole blocks of %s", dims[0], t.name)
	}
	return n / t.values * t.bytes, nil
}

// maxElements keeps byte counts within an int64.
const maxElements = 1 << 56
