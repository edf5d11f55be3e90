package tokenizer

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

type object = map[string]any

// smallFile returns a tokenizer.json of the 256 bytes, "ab", "bc" and "abc",
// where ab merges before bc.
func smallFile() object {
	vocab := make(map[string]any, 260)
	for r, b := range byteLevel {
		vocab[string(r)] = int(b)
	}
	vocab["ab"], vocab["bc"], vocab["abc"] = 256, 257, 258
	return object{
		"added_tokens": []any{object{"id": 300, "content": "<|end|>"}},
		"normalizer":   nil,
		"pre_tokenizer": object{"type": "Sequence", "pretokenizers": []any{
			object{"type": "Split", "pattern": object{"Regex": o200kPattern}, "behavior": "Isolated", "invert": false},
			object{"type": "ByteLevel", "add_prefix_space": false, "use_regex": false},
		}},
		"model": object{
			"type": "BPE", "dropout": nil, "ignore_merges": false, "vocab": vocab,
			"merges": []any{[]any{"a", "b"}, []any{"b", "c"}},
		},
	}
}

func loadFile(t *testing.T, file any) (*Tokenizer, error) {
	t.Helper()
	dir := t.TempDir()
	data, ok := file.([]byte)
	if !ok {
		var err error
		data, err = json.Marshal(file)
		require.NoError(t, err)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tokenizer.json"), data, 0o600))
	return Load(dir)
}

func TestFileMerges(t *testing.T) {
	model := func(f object) object { return f["model"].(object) }
	pairs := smallFile()
	blanks := smallFile()
	model(blanks)["merges"] = []any{"a b", "b c"}
	for _, f := range []object{pairs, blanks} {
		tok, err := loadFile(t, f)
		require.NoError(t, err)
		require.Equal(t, 301, tok.Size())
		// No merge makes abc, though it is a token.
		require.Equal(t, []int{256, 'c', 'x', 257}, tok.Encode("abcxbc"))
		require.Equal(t, []int{256, 300}, tok.EncodeSpecial("ab<|end|>"))
		require.Equal(t, "ab<|end|>\ufffd", tok.Decode([]int{256, 300, 299}))
	}

	whole := smallFile()
	model(whole)["ignore_merges"] = true
	tok, err := loadFile(t, whole)
	require.NoError(t, err)
	require.Equal(t, []int{258}, tok.Encode("abc"))
	require.Equal(t, []int{256, 'c', 'd'}, tok.Encode("abcd"))

	later := smallFile()
	model(later)["merges"] = []any{"b c", "a b"}
	tok, err = loadFile(t, later)
	require.NoError(t, err)
	require.Equal(t, []int{'a', 257}, tok.Encode("abc"))
}

func TestFileErrors(t *testing.T) {
	set := func(keys ...any) func(object) {
		return func(f object) {
			for len(keys) > 2 {
				f, keys = f[keys[0].(string)].(object), keys[1:]
			}
			f[keys[0].(string)] = keys[1]
		}
	}
	pre := func(split, bytes object) func(object) {
		s := object{"type": "Split", "pattern": object{"Regex": o200kPattern}, "behavior": "Isolated"}
		b := object{"type": "ByteLevel", "use_regex": false}
		maps.Copy(s, split)
		maps.Copy(b, bytes)
		return set("pre_tokenizer", object{"type": "Sequence", "pretokenizers": []any{s, b}})
	}
	for want, change := range map[string]func(object){
		`normalizer`:                            set("normalizer", object{"type": "NFC"}),
		`pattern "\\s+" is not known`:           pre(object{"pattern": object{"Regex": `\s+`}}, nil),
		`"Removed" "Split"`:                     pre(object{"behavior": "Removed"}, nil),
		`without prefix space`:                  pre(nil, object{"add_prefix_space": true}),
		`want a Sequence`:                       set("pre_tokenizer", object{"type": "ByteLevel"}),
		`"WordPiece" is not supported`:          set("model", "type", "WordPiece"),
		`byte_fallback`:                         set("model", "byte_fallback", true),
		`no token for the byte`:                 func(f object) { delete(f["model"].(object)["vocab"].(object), "a") },
		`token "abd": id -1`:                    set("model", "vocab", "abd", -1),
		`used twice`:                            set("model", "vocab", "abd", 258),
		`stands for no byte`:                    set("model", "vocab", "a b", 259),
		`merge 0 of ["abc"] is not a pair`:      set("model", "merges", []any{"abc"}),
		`merge 0 of ["a"] is not a pair`:        set("model", "merges", []any{[]any{"a"}}),
		`cannot unmarshal number`:               set("model", "merges", []any{1}),
		`merge 0 of "a" and "x": not all in`:    set("model", "merges", []any{[]any{"a", "x"}}),
		`added token "": id 5`:                  set("added_tokens", []any{object{"id": 5, "content": ""}}),
		`added token "x": id 99999999`:          set("added_tokens", []any{object{"id": 99999999, "content": "x"}}),
		`cannot unmarshal`:                      set("model", "vocab", 3),
		`"x": lstrip, rstrip and single_word`:   set("added_tokens", []any{object{"id": 300, "content": "x", "lstrip": true}}),
		`post_processor: type "BertProcessing"`: set("post_processor", object{"type": "BertProcessing"}),
		`to every text is not supported`: set("post_processor", object{"type": "Sequence", "processors": []any{object{"type": "ByteLevel"}, object{
			"type": "TemplateProcessing", "single": []any{object{"SpecialToken": object{"id": "<s>"}}, object{"Sequence": object{"id": "A"}}},
		}}}),
	} {
		f := smallFile()
		change(f)
		_, err := loadFile(t, f)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "tokenizer.json")
	}
	_, err := loadFile(t, []byte("{"))
	require.ErrorContains(t, err, "tokenizer.json")
}

// Tokens that are added and not special are found in ordinary text, the longest
// of those that begin at the same place.
func TestAddedTokensOfOrdinaryText(t *testing.T) {
	f := smallFile()
	f["added_tokens"] = []any{
		object{"id": 300, "content": "<|end|>", "special": false},
		object{"id": 301, "content": "<x", "special": false}, object{"id": 302, "content": "<xy>", "special": false},
		object{"id": 303, "content": "<pad>", "special": true},
	}
	f["post_processor"] = object{"type": "ByteLevel", "trim_offsets": false}
	tok, err := loadFile(t, f)
	require.NoError(t, err)
	require.Equal(t, []int{256, 302, 'c', 301, 'y'}, tok.Encode("ab<xy>c<xy"))
	require.Equal(t, "ab<xy>c<xy", tok.Decode(tok.Encode("ab<xy>c<xy")))
	require.NotContains(t, tok.Encode("<|end|><pad>"), 300)
	require.Equal(t, []int{302, 300, 303}, tok.EncodeSpecial("<xy><|end|><pad>"))

	same, err := tok.Within(304)
	require.NoError(t, err)
	require.Same(t, tok, same)
	less, err := tok.Within(303)
	require.NoError(t, err)
	require.Equal(t, 303, less.Size())
	require.Equal(t, tok.Encode("<pad><xy>"), less.EncodeSpecial("<pad><xy>"))
	_, err = tok.Within(258)
	require.ErrorContains(t, err, `a token "abc" with the id 258, and the model only knows ids below 258`)
}

func FuzzParse(f *testing.F) {
	data, err := json.Marshal(smallFile())
	require.NoError(f, err)
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		tok, err := parse("fuzz", data)
		if err != nil {
			return
		}
		const text = "abc ab<|end|> é"
		require.Equal(t, text, tok.Decode(tok.Encode(text)))
	})
}
