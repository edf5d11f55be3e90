package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Load returns the tokenizer of a model folder: the one its tokenizer.json
// describes, else o200k_harmony. The tokens at which generation ends are the
// end tokens of generation_config.json together with <|return|>, <|call|> and
// <|endoftext|>, as far as the vocabulary has them.
func Load(modelDir string) (*Tokenizer, error) {
	t, err := loadVocabulary(filepath.Join(modelDir, "tokenizer.json"))
	if err != nil {
		return nil, err
	}
	path := filepath.Join(modelDir, "generation_config.json")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return t, nil
	}
	if err != nil {
		return nil, err
	}
	ends, err := parseEndIDs(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	t.stop = append(t.stop, ends...)
	slices.Sort(t.stop)
	t.stop = slices.Compact(t.stop)
	return t, nil
}

func loadVocabulary(path string) (*Tokenizer, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		// The file may be missing, but not the folder.
		_, err := os.Stat(filepath.Dir(path))
		return O200kHarmony(), err
	}
	if err != nil {
		return nil, err
	}
	if isPublishedFile(data) {
		return O200kHarmony(), nil
	}
	t, err := parse(path, data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// defaultStops returns the ids of the tokens that end GPT-OSS's turn.
func (t *Tokenizer) defaultStops() []int {
	var ids []int
	for _, name := range []string{"<|endoftext|>", "<|return|>", "<|call|>"} {
		if id, ok := t.special[name]; ok {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// parseEndIDs reads eos_token_id, a number or a list, of generation_config.json.
func parseEndIDs(data []byte) ([]int, error) {
	var config struct {
		EOS json.RawMessage `json:"eos_token_id"`
	}
	if err := json.Unmarshal(data, &config); err != nil {
		return nil, err
	}
	if len(config.EOS) == 0 {
		return nil, nil
	}
	var many []int
	if json.Unmarshal(config.EOS, &many) == nil { // also null
		return many, nil
	}
	var one int
	if err := json.Unmarshal(config.EOS, &one); err != nil {
		return nil, fmt.Errorf("eos_token_id: want a number or a list of numbers: %w", err)
	}
	return []int{one}, nil
}
