package safetensors

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"
)

// ReadHeader reads the header of a safetensors file of size bytes.
//
// It refuses a file in which a tensor lies outside the data, overlaps another,
// appears twice, or has a length that its type and shape do not explain. A type
// that is not known is no error, as the tensor may be one that nobody needs: the
// length is what the header says. Unused bytes between tensors are accepted:
// nothing is read from them. Errors are one line, name the tensor, and leave
// naming the file to the caller.
func ReadHeader(r io.ReaderAt, size int64) (*Header, error) {
	text, err := readText(r, size)
	if err != nil {
		return nil, err
	}
	h := &Header{DataStart: prefixLen + int64(len(text)), index: map[string]int{}}
	if err := h.parse(text, size); err != nil {
		return nil, err
	}
	if err := h.arrange(); err != nil {
		return nil, err
	}
	return h, nil
}

// readText returns the JSON text of the header.
func readText(r io.ReaderAt, size int64) ([]byte, error) {
	if size < prefixLen {
		return nil, fmt.Errorf("%d bytes are too few for a safetensors file: download it again", size)
	}
	var prefix [prefixLen]byte
	if err := readFull(r, prefix[:], 0); err != nil {
		return nil, fmt.Errorf("reading the header's length: %w", err)
	}
	if string(prefix[:]) == "version " {
		return nil, errors.New("this is a Git LFS pointer, not the weights: fetch them with git lfs pull")
	}
	n := binary.LittleEndian.Uint64(prefix[:])
	if n > MaxHeader {
		return nil, fmt.Errorf("header of %d bytes, where the format allows %d: damaged, or not a safetensors file", n, MaxHeader)
	}
	if int64(n) > size-prefixLen {
		return nil, fmt.Errorf("truncated: the header alone needs %d bytes, the file has %d: download it again", prefixLen+n, size)
	}
	text := make([]byte, n)
	if err := readFull(r, text, prefixLen); err != nil {
		return nil, fmt.Errorf("reading the header: %w", err)
	}
	if !utf8.Valid(text) {
		return nil, errors.New("header is not UTF-8: damaged, or not a safetensors file")
	}
	return text, nil
}

// readFull fills p from offset off. It accepts the io.EOF that a ReaderAt may
// return together with the last byte.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// parse fills h from the header's text. It walks the object by hand because
// decoding into a map would silently keep the last of two equal names.
func (h *Header) parse(text []byte, size int64) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	if tok, err := dec.Token(); err != nil {
		return fmt.Errorf("header is not JSON: %w", noEOF(err))
	} else if tok != json.Delim('{') {
		return fmt.Errorf("header is not a JSON object: it begins with %v", tok)
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return fmt.Errorf("header is not JSON: %w", noEOF(err))
		}
		if err := h.parseEntry(dec, key.(string), size); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return fmt.Errorf("header is not JSON: %w", noEOF(err))
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("header has text after its JSON object")
	}
	return nil
}

// parseEntry reads the value of one key: a tensor or the metadata.
func (h *Header) parseEntry(dec *json.Decoder, name string, size int64) error {
	if name == metadataKey {
		if h.Metadata != nil {
			return fmt.Errorf("header has %s twice", metadataKey)
		}
		if err := dec.Decode(&h.Metadata); err != nil {
			return fmt.Errorf("%s: expected an object of strings: %w", metadataKey, noEOF(err))
		}
		if h.Metadata == nil {
			return fmt.Errorf("%s: expected an object of strings, got null", metadataKey)
		}
		return nil
	}
	if _, twice := h.index[name]; twice {
		return fmt.Errorf("tensor %q appears twice in the header", name)
	}
	var entry struct {
		DType   string  `json:"dtype"`
		Shape   []int64 `json:"shape"`
		Offsets []int64 `json:"data_offsets"`
	}
	if err := dec.Decode(&entry); err != nil {
		return fmt.Errorf("tensor %q: expected dtype, shape and data_offsets: %w", name, noEOF(err))
	}
	length, err := ByteLen(entry.DType, entry.Shape)
	unknown := errors.Is(err, errDType) && entry.DType != ""
	if err != nil && !unknown {
		return fmt.Errorf("tensor %q: %w", name, err)
	}
	if len(entry.Offsets) != 2 {
		return fmt.Errorf("tensor %q: data_offsets has %d numbers, expected 2", name, len(entry.Offsets))
	}
	begin, end := entry.Offsets[0], entry.Offsets[1]
	if begin < 0 || end < begin {
		return fmt.Errorf("tensor %q: data_offsets %d to %d are not a range", name, begin, end)
	}
	if end > size-h.DataStart {
		return fmt.Errorf("truncated: tensor %q ends at byte %d of the data, the file has %d: download it again",
			name, end, size-h.DataStart)
	}
	if unknown {
		length = end - begin
	}
	if end-begin != length {
		return fmt.Errorf("tensor %q: %s%v takes %d bytes, data_offsets give it %d", name, entry.DType, entry.Shape, length, end-begin)
	}
	h.index[name] = len(h.Tensors)
	h.Tensors = append(h.Tensors, Tensor{name, entry.DType, entry.Shape, h.DataStart + begin, length})
	return nil
}

// arrange sorts the tensors by offset and refuses overlaps.
func (h *Header) arrange() error {
	slices.SortFunc(h.Tensors, func(a, b Tensor) int {
		return cmp.Or(cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Length, b.Length), cmp.Compare(a.Name, b.Name))
	})
	for i, t := range h.Tensors {
		h.index[t.Name] = i
		if i == 0 {
			continue
		}
		if p := h.Tensors[i-1]; t.Offset < p.Offset+p.Length {
			return fmt.Errorf("tensor %q overlaps tensor %q", t.Name, p.Name)
		}
	}
	return nil
}

// noEOF names the end of the text for what it is inside a header.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
