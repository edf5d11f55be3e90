package expertfs

import (
	"fmt"
	"strconv"
	"strings"
)

// Verb says what a hint is about.
type Verb string

// The verbs.
const (
	Touch    Verb = "touch"    // these, kept open or mapped, were used again
	Prefetch Verb = "prefetch" // these will probably be used soon
	Step     Verb = "step"     // the router chose these of one layer; they will be opened now
)

// Hint is one line of what a reader writes to HintsFile: what it does with files
// that it keeps open, and what it will want. The grammar:
//
//	hints  = { line "\n" }
//	line   = "" | "#" comment
//	       | "touch" expert { expert }
//	       | "prefetch" expert { expert }
//	       | "step" expert { expert }         all of one layer
//	       | "step" layer number { number }   the same
//	expert = layer "/" number
//
// Words are separated by blanks. Layers and numbers are decimal, with or
// without leading zeros, and within the model. A line names an expert once, and
// has MaxHintLine bytes at most. The last line need not end.
type Hint struct {
	Verb Verb
	Keys []Key // one at least, all different; those of a step are of one layer
}

// MaxHintLine bounds a line of hints, in bytes: the server does work for each
// expert that a line names while others wait.
const MaxHintLine = 64 << 10

// AppendHint appends a line to dst, nothing when there are no keys. The keys must
// be different, and those of a step of one layer.
func (n Names) AppendHint(dst []byte, verb Verb, keys ...Key) []byte {
	if len(keys) == 0 {
		return dst
	}
	dst = append(dst, verb...)
	layers, experts := width(n.Layers), width(n.Experts)
	for _, k := range keys {
		dst = appendPadded(append(dst, ' '), int(k.Layer), layers)
		dst = appendPadded(append(dst, '/'), int(k.Expert), experts)
	}
	return append(dst, '\n')
}

// ParseHints reads all lines or none: the error names the first that is wrong.
func (n Names) ParseHints(text string) ([]Hint, error) {
	var hints []Hint
	number := 0
	for line := range strings.SplitSeq(text, "\n") {
		number++
		if len(line) > MaxHintLine {
			return nil, fmt.Errorf("line %d: %d bytes, where %d are allowed", number, len(line), MaxHintLine)
		}
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		h, err := n.parseHint(words)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		hints = append(hints, h)
	}
	return hints, nil
}

func (n Names) parseHint(words []string) (Hint, error) {
	h := Hint{Verb: Verb(words[0])}
	args := words[1:]
	inLayer := -1 // of a step that names its layer once
	switch h.Verb {
	case Touch, Prefetch:
	case Step:
		if len(args) > 0 && !strings.Contains(args[0], "/") {
			var err error
			if inLayer, err = parseBelow(args[0], n.Layers, "layer"); err != nil {
				return h, err
			}
			args = args[1:]
		}
	default:
		return h, fmt.Errorf("%q: want touch, prefetch or step", shorten(words[0]))
	}
	if len(args) == 0 {
		return h, fmt.Errorf("%s: names no expert", h.Verb)
	}
	h.Keys = make([]Key, 0, len(args))
	named := make(map[Key]bool, len(args))
	for _, arg := range args {
		k, err := n.parseHintKey(arg, inLayer)
		if err != nil {
			return h, err
		}
		if named[k] {
			return h, fmt.Errorf("%s: %v is named twice", h.Verb, k)
		}
		named[k] = true
		h.Keys = append(h.Keys, k)
	}
	if h.Verb == Step {
		for _, k := range h.Keys {
			if k.Layer != h.Keys[0].Layer {
				return h, fmt.Errorf("step: experts of layers %d and %d", h.Keys[0].Layer, k.Layer)
			}
		}
	}
	return h, nil
}

// parseHintKey reads "07/03", or "03" where the layer is known.
func (n Names) parseHintKey(word string, layer int) (Key, error) {
	if layer < 0 {
		left, right, ok := strings.Cut(word, "/")
		if !ok {
			return Key{}, fmt.Errorf("%q: want LAYER/EXPERT", shorten(word))
		}
		var err error
		if layer, err = parseBelow(left, n.Layers, "layer"); err != nil {
			return Key{}, err
		}
		word = right
	}
	expert, err := parseBelow(word, n.Experts, "expert")
	return Key{Layer: uint16(layer), Expert: uint16(expert)}, err
}

// parseBelow reads a decimal number below n; what names it in errors.
func parseBelow(s string, n int, what string) (int, error) {
	v, err := strconv.ParseUint(s, 10, 16)
	if err != nil || v >= uint64(n) {
		return 0, fmt.Errorf("%s %q: want a number from 0 to %d", what, shorten(s), n-1)
	}
	return int(v), nil
}
