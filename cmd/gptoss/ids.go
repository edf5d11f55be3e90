package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"unicode"

	"expertfs/infer"
)

// readIDs reads token ids from a file, or from stdin if path is "-". They are
// separated by blanks, commas or newlines, or make up a JSON array.
func readIDs(path string, stdin io.Reader) ([]int, error) {
	in, name := stdin, "--ids: standard input"
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("--ids: %w", err)
		}
		defer f.Close()
		in, name = f, "--ids: "+path
	}
	ids, err := parseIDs(in)
	var file *fs.PathError
	switch {
	case errors.As(err, &file): // it has the name
		return nil, fmt.Errorf("--ids: %w", err)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return ids, nil
}

// checkIDs refuses what the model in the folder does not know, before it is loaded.
func (f *modelFlags) checkIDs(ids []int) error {
	vocab, err := vocabSize(f.dir)
	if err != nil {
		return err
	}
	for i, id := range ids {
		if id >= vocab {
			return fmt.Errorf("--ids: token %d: id %d is outside of the vocabulary (0 to %d): are they of another model?", i, id, vocab-1)
		}
	}
	return nil
}

// fits refuses a text that is longer than the context, before the model is loaded.
func (f *modelFlags) fits(tokens int) error {
	o, err := f.settings()
	if err != nil {
		return err
	}
	_, context, err := infer.ShapeOf(f.dir, o)
	switch {
	case err != nil:
		return flagError(err)
	case tokens <= context:
		return nil
	case f.options.Context > 0:
		return fmt.Errorf("%d tokens do not fit: the context has %d; raise --ctx-size, or give a shorter text", tokens, context)
	}
	return fmt.Errorf("%d tokens do not fit: the context has %d, and the model allows no more; give a shorter text", tokens, context)
}

// parseIDs reads ids in those forms; the brackets of a JSON array may be around
// all of them.
func parseIDs(in io.Reader) ([]int, error) {
	data, err := io.ReadAll(in)
	if err != nil {
		return nil, err
	}
	text := string(data)
	if all := strings.TrimSpace(text); strings.HasPrefix(all, "[") && strings.HasSuffix(all, "]") {
		// Blanks in their place keep the line numbers of errors right.
		text = strings.Replace(text, "[", " ", 1)
		last := strings.LastIndexByte(text, ']')
		text = text[:last] + " " + text[last+1:]
	}
	var ids []int
	number := 0
	for line := range strings.Lines(text) {
		number++
		words := strings.FieldsFunc(line, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
		for _, word := range words {
			id, err := strconv.ParseInt(word, 10, 32)
			if err != nil || id < 0 {
				return nil, fmt.Errorf("line %d: %q is not a token id", number, word)
			}
			ids = append(ids, int(id))
		}
	}
	if len(ids) == 0 {
		return nil, errors.New("no token ids")
	}
	return ids, nil
}
