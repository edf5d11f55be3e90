package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode"
)

// readIDs reads token ids from a file, or from stdin if path is "-". They are
// separated by blanks, commas or newlines, or make up a JSON array.
func readIDs(path string, stdin io.Reader) ([]int, error) {
	in := stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	ids, err := parseIDs(in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return ids, nil
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
