package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"

	"expertfs"
	"expertfs/infer/tokenizer"
)

// checkFolder explains what people most often give in place of a model folder.
// What else is wrong with dir shows when it is opened.
func checkFolder(dir string) error {
	if dir == "" {
		return usageErrorf("no model given: use --model DIR")
	}
	info, err := os.Stat(dir)
	switch {
	case err != nil && checkpointName.MatchString(dir):
		return mountFirst(dir, "names a checkpoint")
	case err != nil:
		return explainFolder(dir, err)
	case !info.IsDir() && filepath.Ext(dir) == ".gguf":
		return mountFirst(dir, "is a GGUF file")
	case !info.IsDir():
		return fmt.Errorf("%s is not a folder; a model is one", dir)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return explainFolder(dir, err)
	}
	if len(entries) == 0 {
		return fmt.Errorf("%s is empty: is it mounted?", dir)
	}
	// A folder of GGUF files has no config.json; a model may have a GGUF file beside.
	has := func(is func(name string) bool) bool {
		return slices.ContainsFunc(entries, func(e os.DirEntry) bool { return is(e.Name()) })
	}
	if has(func(name string) bool { return filepath.Ext(name) == ".gguf" }) && !has(func(name string) bool { return name == "config.json" }) {
		return mountFirst(dir, "is a checkpoint")
	}
	return nil
}

// checkpointName matches the names that expertfs mount takes beside paths.
var checkpointName = regexp.MustCompile(`^(embed|ollama|hf|https?|s3):`)

// mountFirst says what to do with a checkpoint.
func mountFirst(name, what string) error {
	return fmt.Errorf("%s %s; mount it first: expertfs mount %s MOUNTPOINT, then use MOUNTPOINT as the model", name, what, expertfs.ShellQuote(name))
}

// explainFolder says more about an error of reading dir.
func explainFolder(dir string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOTCONN):
		return &expertfs.DeadMountError{Point: dir}
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%s is not a folder; a model is one", dir)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: a model is the mount point of an expertfs mount, or a copy of its tree", err)
	}
	return err
}

// loadTokenizer returns the tokenizer of the model folder dir. It must not have
// tokens that the model does not know: without a tokenizer.json of its own a
// folder gets the published vocabulary, which fits the published models only.
func loadTokenizer(dir string) (*tokenizer.Tokenizer, error) {
	tokens, err := tokenizer.Load(dir)
	if err != nil {
		return nil, explainFolder(dir, err)
	}
	vocab, err := vocabSize(dir)
	if err != nil {
		return nil, err
	}
	if tokens.Name() == tokenizer.O200kHarmony().Name() && tokens.Size() > vocab {
		return nil, fmt.Errorf("the vocabulary %s has %d tokens and the model only %d: it needs a tokenizer.json of its own",
			tokens.Name(), tokens.Size(), vocab)
	}
	return tokens.Within(vocab)
}

// vocabSize is how many tokens the model in dir knows.
func vocabSize(dir string) (int, error) {
	path := filepath.Join(dir, "config.json")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("%s is not a model folder: %w", dir, err)
	}
	if err != nil {
		return 0, err
	}
	var model struct {
		Vocab int `json:"vocab_size"`
	}
	if err := json.Unmarshal(text, &model); err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	if model.Vocab < 1 {
		return 0, fmt.Errorf("%s: vocab_size is missing: it is no config of a model", path)
	}
	return model.Vocab, nil
}
