package safetensors

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// file makes a file of a header's text and n bytes of data.
func file(header string, n int) []byte {
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(out, header...), make([]byte, n)...)
}

// read reads the header of a file in memory.
func read(file []byte) (*Header, error) {
	return ReadHeader(bytes.NewReader(file), int64(len(file)))
}

func TestReadHeader(t *testing.T) {
	const text = `{"b":{"dtype":"BF16","shape":[2,3],"data_offsets":[16,28]},
		"__metadata__":{"format":"pt"},
		"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},
		"none":{"dtype":"F32","shape":[0,7],"data_offsets":[28,28]},
		"scalar":{"dtype":"F64","shape":[],"data_offsets":[8,16]}}   `
	h, err := read(file(text, 30)) // two bytes at the end belong to no tensor
	require.NoError(t, err)
	start := int64(8 + len(text))
	require.Equal(t, start, h.DataStart)
	require.Equal(t, map[string]string{"format": "pt"}, h.Metadata)
	require.Equal(t, []Tensor{
		{"a", "U8", []int64{8}, start, 8},
		{"scalar", "F64", []int64{}, start + 8, 8},
		{"b", "BF16", []int64{2, 3}, start + 16, 12},
		{"none", "F32", []int64{0, 7}, start + 28, 0},
	}, h.Tensors)
	b, ok := h.Tensor("b")
	require.True(t, ok)
	require.Equal(t, h.Tensors[2], b)
	_, ok = h.Tensor("c")
	require.False(t, ok)
}

func TestReadHeaderAcceptsHoles(t *testing.T) {
	h, err := read(file(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[6,8]}}`, 8))
	require.NoError(t, err)
	require.Len(t, h.Tensors, 2)
}

func TestReadHeaderRefuses(t *testing.T) {
	tensor := func(entry string) []byte { return file(`{"a":`+entry+`}`, 8) }
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"empty file":        {nil, "0 bytes are too few"},
		"seven bytes":       {make([]byte, 7), "7 bytes are too few"},
		"Git LFS pointer":   {[]byte("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), "git lfs pull"},
		"gigantic header":   {binary.LittleEndian.AppendUint64(nil, MaxHeader+1), "where the format allows 100000000"},
		"header of 2^64-1":  {bytes.Repeat([]byte{255}, 20), "where the format allows 100000000"},
		"header past end":   {binary.LittleEndian.AppendUint64(nil, 1), "truncated: the header alone needs 9 bytes, the file has 8"},
		"empty header":      {file("", 8), "not JSON"},
		"not UTF-8":         {file("{\"\xff\":1}", 8), "not UTF-8"},
		"garbage":           {file("garbage", 8), "not JSON"},
		"array":             {file("[]", 8), "not a JSON object"},
		"number":            {file("7", 8), "not a JSON object"},
		"cut short":         {file(`{"a":{"dtype":"U8"`, 8), "unexpected EOF"},
		"cut after a key":   {file(`{"a"`, 8), "unexpected EOF"},
		"no closing brace":  {file(`{`, 8), "unexpected EOF"},
		"bare key":          {file(`{a:1}`, 8), "not JSON"},
		"two objects":       {file(`{}{}`, 8), "text after its JSON object"},
		"duplicate tensor":  {file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 8), `"a" appears twice`},
		"two metadata":      {file(`{"__metadata__":{},"__metadata__":{}}`, 8), "__metadata__ twice"},
		"metadata null":     {file(`{"__metadata__":null}`, 8), "got null"},
		"metadata numbers":  {file(`{"__metadata__":{"format":1}}`, 8), "expected an object of strings"},
		"tensor is null":    {tensor(`null`), `unknown dtype ""`},
		"tensor is number":  {tensor(`3`), "expected dtype, shape and data_offsets"},
		"no dtype":          {tensor(`{"shape":[8],"data_offsets":[0,8]}`), `tensor "a": unknown dtype ""`},
		"unknown, negative": {tensor(`{"dtype":"BF17","shape":[-8],"data_offsets":[0,8]}`), "negative dimension"},
		"unknown, outside":  {tensor(`{"dtype":"BF17","shape":[8],"data_offsets":[0,9]}`), "truncated"},
		"fractional shape":  {tensor(`{"dtype":"U8","shape":[0.5],"data_offsets":[0,8]}`), `tensor "a": expected dtype`},
		"huge dimension":    {tensor(`{"dtype":"U8","shape":[99999999999999999999],"data_offsets":[0,8]}`), `tensor "a": expected dtype`},
		"negative shape":    {tensor(`{"dtype":"U8","shape":[-8],"data_offsets":[0,8]}`), "negative dimension"},
		"overflowing shape": {tensor(`{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,8]}`), "larger than any file"},
		"wraps to its size": {tensor(`{"dtype":"U8","shape":[2305843009213693953,8],"data_offsets":[0,8]}`), "larger than any file"},
		"half a byte":       {tensor(`{"dtype":"F4","shape":[3],"data_offsets":[0,2]}`), "does not fill whole bytes"},
		"no offsets":        {tensor(`{"dtype":"U8","shape":[8]}`), "0 numbers, expected 2"},
		"one offset":        {tensor(`{"dtype":"U8","shape":[8],"data_offsets":[0]}`), "1 numbers, expected 2"},
		"three offsets":     {tensor(`{"dtype":"U8","shape":[8],"data_offsets":[0,8,8]}`), "3 numbers, expected 2"},
		"negative offset":   {tensor(`{"dtype":"U8","shape":[8],"data_offsets":[-8,0]}`), "not a range"},
		"backward offsets":  {tensor(`{"dtype":"U8","shape":[8],"data_offsets":[8,0]}`), "not a range"},
		"past the end":      {tensor(`{"dtype":"U8","shape":[9],"data_offsets":[0,9]}`), `truncated: tensor "a" ends at byte 9 of the data, the file has 8`},
		"far past the end":  {tensor(`{"dtype":"U8","shape":[8],"data_offsets":[9223372036854775799,9223372036854775807]}`), "truncated"},
		"too few bytes":     {tensor(`{"dtype":"U8","shape":[8],"data_offsets":[0,7]}`), "U8[8] takes 8 bytes, data_offsets give it 7"},
		"too many bytes":    {tensor(`{"dtype":"U8","shape":[4],"data_offsets":[0,8]}`), "U8[4] takes 4 bytes, data_offsets give it 8"},
		"overlap":           {file(`{"a":{"dtype":"U8","shape":[5],"data_offsets":[0,5]},"b":{"dtype":"U8","shape":[5],"data_offsets":[3,8]}}`, 8), `tensor "b" overlaps tensor "a"`},
		"inside another":    {file(`{"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[1],"data_offsets":[3,4]}}`, 8), `tensor "b" overlaps tensor "a"`},
		"same place":        {file(`{"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}}`, 8), `tensor "b" overlaps tensor "a"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := read(c.file)
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

// A tensor of a type that is not known may be one that nobody needs.
func TestUnknownTypesAreTakenAsTheyAre(t *testing.T) {
	h, err := read(file(`{"a":{"dtype":"BF17","shape":[3,7],"data_offsets":[0,5]},"b":{"dtype":"U8","shape":[3],"data_offsets":[5,8]}}`, 8))
	require.NoError(t, err)
	a, ok := h.Tensor("a")
	require.True(t, ok)
	require.Equal(t, Tensor{"a", "BF17", []int64{3, 7}, h.DataStart, 5}, a)
	_, err = read(file(`{"a":{"dtype":"BF17","shape":[3,7],"data_offsets":[0,6]},"b":{"dtype":"U8","shape":[3],"data_offsets":[5,8]}}`, 8))
	require.ErrorContains(t, err, "overlaps")
}

func TestReadHeaderReportsReadErrors(t *testing.T) {
	whole := file(`{}`, 0)
	_, err := ReadHeader(bytes.NewReader(whole[:9]), int64(len(whole))) // shrinks between stat and read
	require.ErrorContains(t, err, "reading the header")
}

func TestAppendHeader(t *testing.T) {
	tensors := []Tensor{
		{Name: "x \"quoted\"", DType: "BF16", Shape: []int64{3, 5}},
		{Name: "y", DType: "U8", Shape: []int64{}},
	}
	metadata := map[string]string{"format": "f/1", "about": "a\nb"}
	for _, align := range []int{1, 8, 64, 4096} {
		prefix := []byte("kept")
		out, err := AppendHeader(prefix, tensors, metadata, align)
		require.NoError(t, err)
		require.True(t, bytes.HasPrefix(out, prefix))
		header := out[len(prefix):]
		require.Zero(t, len(header)%align)
		h, err := read(append(header, make([]byte, 31)...))
		require.NoError(t, err)
		require.Equal(t, metadata, h.Metadata)
		require.EqualValues(t, len(header), h.DataStart)
		require.Equal(t, []Tensor{
			{tensors[0].Name, "BF16", []int64{3, 5}, h.DataStart, 30},
			{"y", "U8", []int64{}, h.DataStart + 30, 1},
		}, h.Tensors)
	}
	same, err := AppendHeader(nil, nil, nil, 8)
	require.NoError(t, err)
	require.Equal(t, "{}", strings.TrimRight(string(same[8:]), " "))
	_, err = AppendHeader(nil, []Tensor{{Name: "z", DType: "?"}}, nil, 8)
	require.ErrorContains(t, err, `tensor "z": unknown dtype`)
}

// FuzzReadHeader looks for panics, and for headers that are accepted though
// their tensors lie outside the file or in each other.
func FuzzReadHeader(f *testing.F) {
	f.Add(file(`{"__metadata__":{"a":"b"},"a":{"dtype":"U8","shape":[2,4],"data_offsets":[0,8]}}`, 8))
	f.Add(file(`{"a":{"dtype":"F4","shape":[2],"data_offsets":[0,1]},"b":{"dtype":"I64","shape":[],"data_offsets":[1,9]}}`, 9))
	f.Add(file(`{}`, 0))
	f.Add(file(`{"a":{"dtype":"BF17","shape":[3,7],"data_offsets":[0,5]}}`, 8))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := read(data)
		if err != nil {
			return
		}
		end := h.DataStart
		for _, tensor := range h.Tensors {
			length, err := ByteLen(tensor.DType, tensor.Shape)
			if errors.Is(err, errDType) { // it has the length that its offsets say
				length, err = tensor.Length, nil
			}
			require.NoError(t, err)
			require.Equal(t, length, tensor.Length)
			require.GreaterOrEqual(t, length, int64(0))
			require.GreaterOrEqual(t, tensor.Offset, end)
			end = tensor.Offset + tensor.Length
			found, ok := h.Tensor(tensor.Name)
			require.True(t, ok)
			require.Equal(t, tensor, found)
		}
		require.LessOrEqual(t, end, int64(len(data)))
	})
}
