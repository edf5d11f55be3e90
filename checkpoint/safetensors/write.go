package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// AppendHeader appends to dst the header of a file that holds the tensors one
// after the other, without holes and in the given order. The header is padded
// with spaces so that its length, and with it the offset of the data, is a
// multiple of align. Offset and Length of the tensors are not read: they follow
// from type, shape and order.
func AppendHeader(dst []byte, tensors []Tensor, metadata map[string]string, align int) ([]byte, error) {
	start := len(dst)
	dst = append(dst, make([]byte, prefixLen)...)
	dst = append(dst, '{')
	if len(metadata) > 0 {
		dst = appendMetadata(dst, metadata)
	}
	var offset int64
	for i, t := range tensors {
		length, err := ByteLen(t.DType, t.Shape)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		if i > 0 || len(metadata) > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, t.Name)
		dst = fmt.Appendf(dst, `:{"dtype":%q,"shape":[`, t.DType)
		for j, d := range t.Shape {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = fmt.Append(dst, d)
		}
		dst = fmt.Appendf(dst, `],"data_offsets":[%d,%d]}`, offset, offset+length)
		offset += length
	}
	dst = append(dst, '}')
	if rest := (len(dst) - start) % align; rest > 0 {
		dst = append(dst, bytes.Repeat([]byte{' '}, align-rest)...)
	}
	n := len(dst) - start - prefixLen
	if n > MaxHeader {
		return nil, fmt.Errorf("header of %d bytes, where the format allows %d", n, MaxHeader)
	}
	binary.LittleEndian.PutUint64(dst[start:], uint64(n))
	return dst, nil
}

// appendMetadata writes the entry with its keys sorted, so that equal
// contents give equal bytes.
func appendMetadata(dst []byte, metadata map[string]string) []byte {
	dst = append(dst, `"`+metadataKey+`":{`...)
	for i, key := range slices.Sorted(maps.Keys(metadata)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, key)
		dst = append(dst, ':')
		dst = appendString(dst, metadata[key])
	}
	return append(dst, '}')
}

// appendString writes s as a JSON string.
func appendString(dst []byte, s string) []byte {
	quoted, _ := json.Marshal(s) // a string always marshals
	return append(dst, quoted...)
}
