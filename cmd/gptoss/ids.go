package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode"
)

// readIDs reads token ids from a file, or from stdin if path is "-". They are
// separated by blanks, commas or newlines.
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

func parseIDs(in io.Reader) ([]int, error) {
	var ids []int
	lines := bufio.NewReader(in)
	for number := 1; ; number++ {
		line, err := lines.ReadString('\n')
		words := strings.FieldsFunc(line, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
		for _, word := range words {
			id, err := strconv.ParseInt(word, 10, 32)
			if err != nil || id < 0 {
				return nil, fmt.Errorf("line %d: %q is not a token id", number, word)
			}
			ids = append(ids, int(id))
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("no token ids")
	}
	return ids, nil
}
