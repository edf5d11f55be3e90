package tokenizer

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"io"
	"sync"
)

//go:generate go run ./gen -o o200k.bin.gz

// o200kData is, compressed, the length of each token in one byte, then the
// bytes of all tokens, both in the order of ids.
//
//go:embed o200k.bin.gz
var o200kData []byte

const (
	o200kTokens = 199998 // ordinary tokens, with ids from 0
	harmonyEnd  = 201088 // first id after the special tokens

	// The tokenizer.json published with gpt-oss-20b and gpt-oss-120b says
	// what is built in, in a form that takes most of a second to read.
	publishedSize   = 27868174
	publishedSHA256 = "0614fe83cadab421296e664e1f48f4261fa8fef6e03e63bb75c20f38e37d07d3"
)

// harmonyNames are the special tokens with a meaning. The other ids up to
// harmonyEnd are called <|reserved_ID|>.
var harmonyNames = map[int]string{
	199998: "<|startoftext|>",
	199999: "<|endoftext|>",
	200002: "<|return|>",
	200003: "<|constrain|>",
	200005: "<|channel|>",
	200006: "<|start|>",
	200007: "<|end|>",
	200008: "<|message|>",
	200012: "<|call|>",
	200018: "<|endofprompt|>",
}

// O200kHarmony returns the built-in tokenizer of the published GPT-OSS
// models. Its vocabulary is unpacked once, at the first use.
func O200kHarmony() *Tokenizer {
	special := make(map[string]int, harmonyEnd-o200kTokens)
	for id := o200kTokens; id < harmonyEnd; id++ {
		name, ok := harmonyNames[id]
		if !ok {
			name = fmt.Sprintf("<|reserved_%d|>", id)
		}
		special[name] = id
	}
	return newTokenizer("o200k_harmony", o200kTokens, o200kVocabulary, special)
}

// isPublishedFile tells whether data is the published tokenizer.json.
func isPublishedFile(data []byte) bool {
	if len(data) != publishedSize {
		return false
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]) == publishedSHA256
}

var o200kVocabulary = sync.OnceValue(func() *vocabulary {
	tokens, err := unpack(o200kData, o200kTokens)
	if err == nil {
		var v *vocabulary
		if v, err = newVocabulary(tokens); err == nil {
			v.merges = rankMerges(v.ids)
			v.wholePieces = true
			return v
		}
	}
	// The data is a part of the program, so this is a broken build.
	panic("built-in vocabulary: " + err.Error())
})

// unpack reads n tokens in the form of o200kData.
func unpack(data []byte, n int) ([]string, error) {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	all, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	if len(all) < n {
		return nil, io.ErrUnexpectedEOF
	}
	lengths, text := all[:n], string(all[n:])
	tokens := make([]string, n)
	for i, length := range lengths {
		if int(length) > len(text) {
			return nil, io.ErrUnexpectedEOF
		}
		tokens[i], text = text[:length], text[length:]
	}
	if text != "" {
		return nil, fmt.Errorf("%d bytes after the last token", len(text))
	}
	return tokens, nil
}
