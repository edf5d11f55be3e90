package fsys

import (
	"fmt"
	"strconv"
	"strings"

	"expertfs/policy"
)

// hint is one line of what was written to hints. The grammar:
//
//	hints  = { line "\n" }
//	line   = "" | "#" comment
//	       | "touch" expert { expert }        these were used again
//	       | "prefetch" expert { expert }     these will probably be used soon
//	       | "step" layer number { number }   the router chose these of one layer
//	       | "step" expert { expert }         the same, all of one layer
//	expert = layer "/" number
//
// Words are separated by blanks. Layers and numbers are decimal, with or
// without leading zeros, and within the model.
type hint struct {
	verb  string
	layer int // of a step
	keys  []policy.Key
}

// parseHints reads all lines or none.
func (n names) parseHints(text string) ([]hint, error) {
	var hints []hint
	for i, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		h, err := n.parseHint(words)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		hints = append(hints, h)
	}
	return hints, nil
}

func (n names) parseHint(words []string) (hint, error) {
	h := hint{verb: words[0]}
	args := words[1:]
	switch h.verb {
	case "touch", "prefetch":
	case "step":
		if len(args) > 0 && !strings.Contains(args[0], "/") {
			layer, err := parseBelow(args[0], n.layers, "layer")
			if err != nil {
				return h, err
			}
			for i, arg := range args[1:] {
				args[1+i] = strconv.Itoa(layer) + "/" + arg
			}
			args = args[1:]
		}
	default:
		return h, fmt.Errorf("%q: want touch, prefetch or step", h.verb)
	}
	if len(args) == 0 {
		return h, fmt.Errorf("%s: names no expert", h.verb)
	}
	for _, arg := range args {
		k, err := n.parseKey(arg)
		if err != nil {
			return h, err
		}
		h.keys = append(h.keys, k)
	}
	if h.verb == "step" {
		h.layer = int(h.keys[0].Layer)
		for _, k := range h.keys {
			if int(k.Layer) != h.layer {
				return h, fmt.Errorf("step: experts of layers %d and %d", h.layer, k.Layer)
			}
		}
	}
	return h, nil
}

// parseKey reads "07/03".
func (n names) parseKey(s string) (policy.Key, error) {
	left, right, ok := strings.Cut(s, "/")
	if !ok {
		return policy.Key{}, fmt.Errorf("%q: want LAYER/EXPERT", s)
	}
	layer, err := parseBelow(left, n.layers, "layer")
	if err != nil {
		return policy.Key{}, err
	}
	expert, err := parseBelow(right, n.experts, "expert")
	return policy.Key{Layer: uint16(layer), Expert: uint16(expert)}, err
}

// parseBelow reads a decimal number below n; what names it in errors.
func parseBelow(s string, n int, what string) (int, error) {
	v, err := strconv.ParseUint(s, 10, 16)
	if err != nil || v >= uint64(n) {
		return 0, fmt.Errorf("%s %q: want a number from 0 to %d", what, s, n-1)
	}
	return int(v), nil
}

// writeHints carries out hints, after all of them have been read.
func (f *FS) writeHints(data []byte) error {
	hints, err := f.tree.parseHints(string(data))
	if err != nil {
		return err
	}
	for _, h := range hints {
		switch h.verb {
		case "touch":
			f.cache.Touch(h.keys...)
		case "prefetch":
			f.cache.Prefetch(h.keys...)
		case "step":
			f.cache.Step(h.layer, h.keys)
		}
	}
	return nil
}
