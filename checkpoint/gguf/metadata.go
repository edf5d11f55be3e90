package gguf

import (
	"fmt"
	"math"
	"strconv"
)

// metadata are the values of a file by their keys: int64, float64, bool, string,
// []string, []int64, []bool, or skipped.
type metadata map[string]any

// skipped stands for an array that nobody asks for: of fractions, or of arrays.
type skipped struct{}

// valueKind is the type of a value, as GGUF numbers them.
type valueKind uint32

const (
	u8Value valueKind = iota
	i8Value
	u16Value
	i16Value
	u32Value
	i32Value
	f32Value
	boolValue
	stringValue
	arrayValue
	u64Value
	i64Value
	f64Value
)

// valueSizes are the bytes of numbers, and the least of the others.
var valueSizes = []int64{1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8}

// value reads a value.
func (in *input) value(k valueKind) any {
	switch k {
	case stringValue:
		return in.text()
	case arrayValue:
		return in.array(0)
	case f32Value:
		return decimal(in.u32())
	case f64Value:
		return math.Float64frombits(in.u64())
	case boolValue:
		switch b := in.number(1); b {
		case 0, 1:
			return b == 1
		default:
			in.fail(fmt.Errorf("%d is no boolean", b))
			return nil
		}
	}
	if n, ok := in.integer(k); ok {
		return n
	}
	in.fail(fmt.Errorf("values of type %d are not known", k))
	return nil
}

// integer reads a whole number; false when the type is none.
func (in *input) integer(k valueKind) (n int64, ok bool) {
	switch k {
	case u8Value:
		return int64(uint8(in.number(1))), true
	case i8Value:
		return int64(int8(in.number(1))), true
	case u16Value:
		return int64(uint16(in.number(2))), true
	case i16Value:
		return int64(int16(in.number(2))), true
	case u32Value:
		return int64(in.u32()), true
	case i32Value:
		return int64(int32(in.u32())), true
	case u64Value, i64Value: // larger ones are out of every range as negatives
		return int64(in.u64()), true
	}
	return 0, false
}

// maxNesting is how deep arrays may lie in arrays. No model's metadata has any.
const maxNesting = 64

// array reads strings and whole numbers, and skips other values. Depth is how many
// arrays it lies in.
func (in *input) array(depth int) any {
	k := valueKind(in.u32())
	switch {
	case in.err == nil && int(k) >= len(valueSizes):
		in.fail(fmt.Errorf("arrays of type %d are not known", k))
	case in.err == nil && depth > maxNesting:
		in.fail(fmt.Errorf("arrays lie deeper in each other than %d", maxNesting))
	}
	if in.err != nil {
		return nil
	}
	n := in.count(valueSizes[k], "values of an array")
	if n > maxCount { // of one byte each: no array of a model's
		in.fail(fmt.Errorf("%d values of an array, expected %d at most", n, maxCount))
		return nil
	}
	switch k {
	case stringValue:
		var all []string
		for range n {
			all = append(all, in.text())
			if in.err != nil {
				return nil
			}
		}
		return all
	case boolValue:
		all := make([]bool, n)
		for i, b := range in.bytes(n) {
			all[i] = b != 0
		}
		return all
	case arrayValue:
		for range n {
			if in.array(depth + 1); in.err != nil {
				return nil
			}
		}
		return skipped{}
	case f32Value, f64Value:
		in.skip(n * valueSizes[k])
		return skipped{}
	}
	var all []int64
	for range n {
		v, _ := in.integer(k)
		all = append(all, v)
		if in.err != nil {
			return nil
		}
	}
	return all
}

// shortest returns the decimal with the fewest digits that is f as a float32.
func shortest(f float32) float64 {
	v, _ := strconv.ParseFloat(strconv.FormatFloat(float64(f), 'g', -1, 32), 64)
	return v
}

// get returns a value of a type; ok is false when the key is missing or has
// another one, and then err tells the latter.
func get[T any](m metadata, key string) (v T, ok bool, err error) {
	any, ok := m[key]
	if !ok {
		return v, false, nil
	}
	if v, ok = any.(T); !ok {
		return v, false, fmt.Errorf("metadata key %q is of another type than expected", key)
	}
	return v, true, nil
}
