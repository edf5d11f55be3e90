package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// maxTokenID bounds the ids that a tokenizer.json may use, and with them the
// memory that a damaged one can make us ask for.
const maxTokenID = 1 << 24

// hfFile is the part of a Hugging Face tokenizer.json that has a meaning for
// byte-level BPE.
type hfFile struct {
	AddedTokens   []hfAdded       `json:"added_tokens"`
	Normalizer    json.RawMessage `json:"normalizer"`
	PreTokenizer  hfPreTokenizer  `json:"pre_tokenizer"`
	PostProcessor *hfProcessor    `json:"post_processor"`
	Model         hfModel         `json:"model"`
}

type hfAdded struct {
	ID         int    `json:"id"`
	Content    string `json:"content"`
	Special    *bool  `json:"special"` // true when absent
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	SingleWord bool   `json:"single_word"`
}

// ordinary tells whether the token is found in ordinary text. The structure of a
// conversation never is, whatever the file says.
func (a *hfAdded) ordinary() bool {
	return a.Special != nil && !*a.Special && !(strings.HasPrefix(a.Content, "<|") && strings.HasSuffix(a.Content, "|>"))
}

func (a *hfAdded) check() error {
	switch {
	case a.ID < 0 || a.ID > maxTokenID || a.Content == "":
		return fmt.Errorf("added token %q: id %d is out of range or its text is empty", a.Content, a.ID)
	case a.LStrip || a.RStrip || a.SingleWord:
		return fmt.Errorf("added token %q: lstrip, rstrip and single_word are not supported", a.Content)
	}
	return nil
}

// hfProcessor says what is done with the tokens of a text.
type hfProcessor struct {
	Type       string                       `json:"type"`
	Processors []hfProcessor                `json:"processors"` // of a Sequence
	Single     []map[string]json.RawMessage `json:"single"`     // of a TemplateProcessing
}

// check accepts what leaves the tokens of a text as they are.
func (p *hfProcessor) check() error {
	switch p.Type {
	case "ByteLevel":
		return nil
	case "Sequence":
		for i := range p.Processors {
			if err := p.Processors[i].check(); err != nil {
				return err
			}
		}
		return nil
	case "TemplateProcessing":
		for _, piece := range p.Single {
			if token, ok := piece["SpecialToken"]; ok {
				return fmt.Errorf("adding %s to every text is not supported", token)
			}
		}
		return nil
	}
	return fmt.Errorf("type %q is not supported", p.Type)
}

type hfPreTokenizer struct {
	Type          string           `json:"type"`
	PreTokenizers []hfPreTokenizer `json:"pretokenizers"` // of a Sequence
	Pattern       struct {
		Regex string
	} `json:"pattern"` // of a Split, with the next two
	Behavior       string `json:"behavior"`
	Invert         bool   `json:"invert"`
	AddPrefixSpace bool   `json:"add_prefix_space"` // of ByteLevel, with the next
	UseRegex       *bool  `json:"use_regex"`        // true when absent
}

type hfModel struct {
	Type                    string         `json:"type"`
	Dropout                 float64        `json:"dropout"`
	ContinuingSubwordPrefix string         `json:"continuing_subword_prefix"`
	EndOfWordSuffix         string         `json:"end_of_word_suffix"`
	ByteFallback            bool           `json:"byte_fallback"`
	IgnoreMerges            bool           `json:"ignore_merges"`
	Vocab                   map[string]int `json:"vocab"`
	Merges                  hfMerges       `json:"merges"`
}

// hfMerges are pairs of tokens, each written as a list or as one string with
// a blank between.
type hfMerges [][]string

func (m *hfMerges) UnmarshalJSON(data []byte) error {
	if json.Unmarshal(data, (*[][]string)(m)) == nil {
		return nil
	}
	var lines []string
	if err := json.Unmarshal(data, &lines); err != nil {
		return err
	}
	*m = make(hfMerges, len(lines))
	for i, line := range lines {
		(*m)[i] = strings.Split(line, " ")
	}
	return nil
}

// parse reads a tokenizer.json. What it would have to ignore it refuses.
func parse(name string, data []byte) (*Tokenizer, error) {
	var f hfFile
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, err
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	v, err := f.Model.vocabulary()
	if err != nil {
		return nil, err
	}
	special := make(map[string]int, len(f.AddedTokens))
	var plain []added
	for _, a := range f.AddedTokens {
		if err := a.check(); err != nil {
			return nil, err
		}
		if a.ordinary() {
			plain = append(plain, added{a.Content, a.ID})
		} else {
			special[a.Content] = a.ID
		}
	}
	t := newTokenizer(name, len(v.tokens), func() *vocabulary { return v }, special)
	t.added = plain
	for _, a := range plain {
		t.size = max(t.size, a.id+1)
	}
	return t, nil
}

func (f *hfFile) check() error {
	if n := string(f.Normalizer); n != "" && n != "null" {
		return fmt.Errorf("normalizer %s is not supported", n)
	}
	if err := f.PreTokenizer.check(); err != nil {
		return fmt.Errorf("pre_tokenizer: %w", err)
	}
	if f.PostProcessor != nil {
		if err := f.PostProcessor.check(); err != nil {
			return fmt.Errorf("post_processor: %w", err)
		}
	}
	m := &f.Model
	switch {
	case m.Type != "BPE":
		return fmt.Errorf("model type %q is not supported, only BPE", m.Type)
	case m.Dropout != 0 || m.ContinuingSubwordPrefix != "" || m.EndOfWordSuffix != "" || m.ByteFallback:
		return errors.New("BPE with dropout, prefix, suffix or byte_fallback is not supported")
	}
	return nil
}

// check accepts the one form that GPT-OSS uses: a Split by the o200k pattern,
// then ByteLevel without a pattern of its own.
func (p *hfPreTokenizer) check() error {
	if p.Type != "Sequence" || len(p.PreTokenizers) != 2 {
		return fmt.Errorf("want a Sequence of Split and ByteLevel, got %q of %d", p.Type, len(p.PreTokenizers))
	}
	split, bytes := &p.PreTokenizers[0], &p.PreTokenizers[1]
	switch {
	case split.Type != "Split" || split.Behavior != "Isolated" || split.Invert:
		return fmt.Errorf("want an isolated Split first, got %q %q", split.Behavior, split.Type)
	case split.Pattern.Regex != o200kPattern:
		return fmt.Errorf("pattern %q is not known, only that of o200k", split.Pattern.Regex)
	case bytes.Type != "ByteLevel" || bytes.AddPrefixSpace || bytes.UseRegex == nil || *bytes.UseRegex:
		return fmt.Errorf("want ByteLevel without prefix space and pattern second, got %q", bytes.Type)
	}
	return nil
}

// vocabulary turns the model's tokens into bytes and its merges into ids.
func (m *hfModel) vocabulary() (*vocabulary, error) {
	size := 0
	for text, id := range m.Vocab {
		if id < 0 || id > maxTokenID {
			return nil, fmt.Errorf("token %q: id %d is out of range", text, id)
		}
		size = max(size, id+1)
	}
	tokens := make([]string, size)
	for text, id := range m.Vocab {
		b, err := fromByteLevel(text)
		if err != nil {
			return nil, fmt.Errorf("token %q: %w", text, err)
		}
		if tokens[id] != "" || b == "" {
			return nil, fmt.Errorf("token %q: id %d is used twice or the text is empty", text, id)
		}
		tokens[id] = b
	}
	v, err := newVocabulary(tokens)
	if err != nil {
		return nil, err
	}
	v.wholePieces = m.IgnoreMerges
	v.merges, err = m.pairs()
	return v, err
}

func (m *hfModel) pairs() (pairMerges, error) {
	pairs := make(pairMerges, len(m.Merges))
	for rank, merge := range m.Merges {
		if len(merge) != 2 {
			return nil, fmt.Errorf("merge %d of %q is not a pair", rank, merge)
		}
		left, okLeft := m.Vocab[merge[0]]
		right, okRight := m.Vocab[merge[1]]
		joined, okJoined := m.Vocab[merge[0]+merge[1]]
		if !okLeft || !okRight || !okJoined {
			return nil, fmt.Errorf("merge %d of %q and %q: not all in the vocabulary", rank, merge[0], merge[1])
		}
		pairs[[2]int32{int32(left), int32(right)}] = struct{ rank, id int32 }{int32(rank), int32(joined)}
	}
	return pairs, nil
}

// byteLevel maps the runes by which byte-level vocabularies spell bytes:
// printable Latin-1 stands for itself, and the remaining bytes, in order, for
// the runes from U+0100.
var byteLevel = func() map[rune]byte {
	m := make(map[rune]byte, 256)
	next := rune(0x100)
	for b := range rune(256) {
		printable := b > ' ' && b < 0x7f || b > 0xa0 && b != 0xad
		if printable {
			m[b] = byte(b)
		} else {
			m[next] = byte(b)
			next++
		}
	}
	return m
}()

// fromByteLevel returns the bytes that a token of the file stands for.
func fromByteLevel(text string) (string, error) {
	b := make([]byte, 0, len(text))
	for _, r := range text {
		v, ok := byteLevel[r]
		if !ok {
			return "", fmt.Errorf("rune %q stands for no byte", r)
		}
		b = append(b, v)
	}
	return string(b), nil
}
