package main

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// routing is recorded routing: which experts each token used, layer by layer.
type routing struct {
	layers, topK int
	experts      [][]int // [token*layers + layer][topK]
}

// readRouting reads traces, lines token,layer,e0,e1,..., and joins them. Lines
// that begin with # are comments; files whose names end in .gz are compressed.
// The first topK experts of a line count, and all must be below experts.
func readRouting(paths []string, layers, experts, topK int) (*routing, error) {
	r := &routing{layers: layers, topK: topK}
	for _, path := range paths {
		if err := r.readFile(path, experts); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	if len(r.experts) == 0 {
		return nil, fmt.Errorf("%s: no routing", strings.Join(paths, ", "))
	}
	return r, nil
}

func (r *routing) readFile(path string, experts int) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	in := io.Reader(f)
	if strings.HasSuffix(path, ".gz") {
		if in, err = gzip.NewReader(f); err != nil {
			return err
		}
	}
	lines := bufio.NewScanner(in)
	for number := 1; lines.Scan(); number++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		if err := r.add(text, experts); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if n := len(r.experts) % r.layers; n != 0 {
		return fmt.Errorf("the last token has %d layers, the model has %d", n, r.layers)
	}
	return nil
}

// add takes one line. Layers beyond the model's are left out, so that a model
// with fewer layers can be driven by the same recording.
func (r *routing) add(text string, experts int) error {
	words := strings.Split(text, ",")
	if len(words) < 2+r.topK {
		return fmt.Errorf("%d experts, the model uses %d", len(words)-2, r.topK)
	}
	numbers := make([]int, 1+r.topK) // the layer and its experts
	for i := range numbers {
		n, err := strconv.Atoi(strings.TrimSpace(words[1+i]))
		if err != nil || n < 0 {
			return fmt.Errorf("%q is not a number", words[1+i])
		}
		numbers[i] = n
	}
	layer, chosen := numbers[0], numbers[1:]
	if layer >= r.layers {
		return nil
	}
	if want := len(r.experts) % r.layers; layer != want {
		return fmt.Errorf("layer %d where layer %d is expected", layer, want)
	}
	for i, x := range chosen {
		if x >= experts {
			return fmt.Errorf("expert %d, the model has %d", x, experts)
		}
		for _, y := range chosen[:i] {
			if x == y {
				return fmt.Errorf("expert %d twice", x)
			}
		}
	}
	r.experts = append(r.experts, chosen)
	return nil
}

// tokens is the number of tokens recorded.
func (r *routing) tokens() int { return len(r.experts) / r.layers }

// replay copies the experts that the n-th token used in layer; a long run
// starts over at the end of the recording.
func (r *routing) replay(n, layer int, experts []int) {
	copy(experts, r.experts[n%r.tokens()*r.layers+layer])
}
