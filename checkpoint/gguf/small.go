package gguf

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"expertfs/checkpoint/source"
)

// makeSmall makes the files beside the weights out of the metadata.
func (m *model) makeSmall() error {
	var modTime time.Time
	for _, f := range m.files {
		if t := f.Identity().ModTime; t.After(modTime) {
			modTime = t
		}
	}
	add := func(name string, data []byte) {
		if len(data) > 0 {
			m.small = append(m.small, source.Bytes(name, data, modTime))
		}
	}
	template, _, err := get[string](m.metadata, "tokenizer.chat_template")
	if err != nil {
		return err
	}
	config, err := m.config.HuggingFace()
	if err != nil {
		return err
	}
	tokenizer, err := makeTokenizer(m.metadata)
	if err != nil {
		return err
	}
	// Sorted by name, as in a folder.
	add("chat_template.jinja", []byte(template))
	add("config.json", config)
	if m.config.EOS != nil {
		text, err := json.MarshalIndent(map[string]any{"eos_token_id": m.config.EOS}, "", "  ")
		if err != nil {
			return err
		}
		add("generation_config.json", append(text, '\n'))
	}
	add("tokenizer.json", tokenizer)
	return nil
}

// Types of tokens, as GGUF numbers them.
const (
	normalToken  = 1
	unknownToken = 2
	controlToken = 3
	userToken    = 4
	unusedToken  = 5
)

// splitName is GGUF's name of splitPattern.
const splitName = "gpt-4o"

// splitPattern is how o200k cuts a text before it makes tokens of it, in the words
// of the published tokenizer.json. GGUF has a name for it only.
const splitPattern = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?` +
	`|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?` +
	`|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`

// makeTokenizer makes a tokenizer.json; nil when the file has no tokenizer.
func makeTokenizer(m metadata) ([]byte, error) {
	const prefix = "tokenizer.ggml."
	kind, ok, err := get[string](m, prefix+"model")
	if err != nil || !ok || kind == "none" || kind == "no_vocab" {
		return nil, err
	}
	pre, _, err := get[string](m, prefix+"pre")
	if err != nil {
		return nil, err
	}
	if _, said := m[prefix+"pre"]; !said || m["general.architecture"] == ollama {
		pre = splitName // of the model; Ollama cuts so whatever the key says
	}
	switch {
	case kind != "gpt2":
		return nil, fmt.Errorf("metadata key %q is %q, expected \"gpt2\"", prefix+"model", kind)
	case pre != splitName:
		return nil, fmt.Errorf("metadata key %q is %q, expected %q", prefix+"pre", pre, splitName)
	}
	tokens, ok, err := get[[]string](m, prefix+"tokens")
	if err != nil || !ok {
		return nil, errors.Join(err, missing(ok, prefix+"tokens"))
	}
	types, ok, err := get[[]int64](m, prefix+"token_type")
	switch {
	case err != nil:
		return nil, err
	case !ok:
		types = guessTypes(tokens)
	case len(types) != len(tokens):
		return nil, fmt.Errorf("metadata key %q has %d values for %d tokens", prefix+"token_type", len(types), len(tokens))
	}
	merges, ok, err := get[[]string](m, prefix+"merges")
	if err != nil || !ok {
		return nil, errors.Join(err, missing(ok, prefix+"merges"))
	}
	return writeTokenizer(tokens, types, merges)
}

// guessTypes are the types of tokens where a file does not tell them. All tokens of
// harmony's markup are spelled <|so|>, and no others.
func guessTypes(tokens []string) []int64 {
	types := make([]int64, len(tokens))
	for i, token := range tokens {
		types[i] = normalToken
		if len(token) > len("<||>") && strings.HasPrefix(token, "<|") && strings.HasSuffix(token, "|>") {
			types[i] = controlToken
		}
	}
	return types
}

// missing is the error for a key that is not there.
func missing(ok bool, key string) error {
	if ok {
		return nil
	}
	return fmt.Errorf("metadata key %q is missing", key)
}

// addedToken is an entry of a tokenizer.json.
type addedToken struct {
	ID         int    `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`
}

// writeTokenizer writes the file in the form of the published one. Unused tokens
// are left out: GGUF needs them for ids that nothing has.
func writeTokenizer(tokens []string, types []int64, merges []string) ([]byte, error) {
	added := []addedToken{}
	vocab := []byte{'{'}
	ids := make(map[string]int, len(tokens))
	for id, token := range tokens {
		if !utf8.ValidString(token) {
			return nil, fmt.Errorf("token %d, %q, is no UTF-8", id, token)
		}
		switch types[id] {
		case unusedToken, unknownToken:
			continue
		case controlToken, userToken:
			added = append(added, addedToken{ID: id, Content: token, Special: types[id] == controlToken})
			continue
		case normalToken:
		default:
			return nil, fmt.Errorf("token %d is of type %d, which is not known", id, types[id])
		}
		if other, twice := ids[token]; twice {
			return nil, fmt.Errorf("tokens %d and %d are the same, %q", other, id, token)
		}
		ids[token] = id
		if len(vocab) > 1 {
			vocab = append(vocab, ',')
		}
		vocab = appendQuoted(vocab, token)
		vocab = fmt.Appendf(vocab, ":%d", id)
	}
	pairs := []byte{'['}
	for i, merge := range merges {
		if !utf8.ValidString(merge) {
			return nil, fmt.Errorf("merge %d, %q, is no UTF-8", i, merge)
		}
		if i > 0 {
			pairs = append(pairs, ',')
		}
		pairs = appendQuoted(pairs, merge)
	}
	return encode(map[string]any{
		"version": "1.0", "truncation": nil, "padding": nil, "added_tokens": added, "normalizer": nil,
		"pre_tokenizer": map[string]any{"type": "Sequence", "pretokenizers": []any{
			map[string]any{"type": "Split", "pattern": map[string]string{"Regex": splitPattern}, "behavior": "Isolated", "invert": false},
			byteLevel(false),
		}},
		"post_processor": byteLevel(true),
		"decoder":        byteLevel(true),
		"model": map[string]any{
			"type": "BPE", "dropout": nil, "unk_token": nil, "continuing_subword_prefix": nil, "end_of_word_suffix": nil,
			"fuse_unk": false, "byte_fallback": false, "ignore_merges": true,
			"vocab": json.RawMessage(append(vocab, '}')), "merges": json.RawMessage(append(pairs, ']')),
		},
	})
}

// byteLevel is the step of a tokenizer that spells bytes as runes.
func byteLevel(trim bool) map[string]any {
	return map[string]any{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": trim, "use_regex": false}
}

// encode writes JSON without escaping what only HTML needs escaped.
func encode(v any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return out.Bytes(), err
}

// appendQuoted writes s as a JSON string.
func appendQuoted(dst []byte, s string) []byte {
	quoted, _ := json.Marshal(s) // a string always marshals
	return append(dst, quoted...)
}
