package expertfs

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// TraceReader reads the steps of one trace.
type TraceReader struct {
	name  string
	lines *bufio.Scanner
	line  int
	meta  TraceMeta
	opens bool
}

// NewTraceReader reads a trace, plain or compressed. The name is for errors. Of a
// compressed trace that is cut short, as a crash leaves it, the whole lines are
// read; what follows them is dropped without an error.
func NewTraceReader(r io.Reader, name string) (*TraceReader, error) {
	buffered := bufio.NewReaderSize(r, 1<<16)
	text := &cutReader{r: buffered}
	// Peek fails at the end of files shorter than two bytes; those are plain.
	if magic, _ := buffered.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		unzipped, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		text.r = unzipped
	}
	lines := bufio.NewScanner(text)
	lines.Split(func(data []byte, atEOF bool) (int, []byte, error) {
		if text.cut && atEOF && bytes.IndexByte(data, '\n') < 0 {
			return len(data), nil, nil
		}
		return bufio.ScanLines(data, atEOF)
	})
	lines.Buffer(make([]byte, 0, 1<<16), 1<<20)
	return &TraceReader{name: name, lines: lines}, nil
}

// cutReader reads to where a compressed stream is cut short as if it ended there.
type cutReader struct {
	r   io.Reader
	cut bool
}

func (c *cutReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if err == io.ErrUnexpectedEOF {
		c.cut, err = true, io.EOF
	}
	return n, err
}

// Meta is what the comments read so far have told.
func (r *TraceReader) Meta() TraceMeta { return r.meta }

// Where is the file and the line of the step that Next returned last.
func (r *TraceReader) Where() string { return fmt.Sprintf("%s:%d", r.name, r.line) }

// Next returns the next step, io.EOF after the last. Errors name the file and
// the line.
func (r *TraceReader) Next() (TraceStep, error) {
	for r.lines.Scan() {
		r.line++
		text := strings.TrimSpace(r.lines.Text())
		if text == "" {
			continue
		}
		if comment, ok := strings.CutPrefix(text, "#"); ok {
			r.comment(comment)
			continue
		}
		step, err := parseStep(text)
		if err != nil {
			return TraceStep{}, fmt.Errorf("%s: %w", r.Where(), err)
		}
		step.Opened = r.opens
		return step, nil
	}
	if err := r.lines.Err(); err != nil {
		return TraceStep{}, fmt.Errorf("%s:%d: %w", r.name, r.line+1, err)
	}
	return TraceStep{}, io.EOF
}

// comment takes the keys it knows from a comment. Words it does not
// understand are prose.
func (r *TraceReader) comment(text string) {
	for word := range strings.FieldsSeq(text) {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "steps":
			r.opens = value == "opens"
		case "layers":
			setPositive(&r.meta.Layers, value)
		case "experts":
			setPositive(&r.meta.Experts, value)
		case "top-k":
			setPositive(&r.meta.TopK, value)
		case "expert-bytes":
			if n, err := strconv.ParseInt(value, 10, 64); err == nil && n > 0 {
				r.meta.ExpertBytes = n
			}
		}
	}
}

func setPositive(to *int, text string) {
	if n, err := strconv.Atoi(text); err == nil && n > 0 && n <= MaxIndex {
		*to = n
	}
}

var errFields = errors.New("want token, layer and at least one expert, between commas")

func parseStep(text string) (TraceStep, error) {
	token, rest, ok := strings.Cut(text, ",")
	if !ok {
		return TraceStep{}, errFields
	}
	layer, rest, ok := strings.Cut(rest, ",")
	if !ok {
		return TraceStep{}, errFields
	}
	var s TraceStep
	var err error
	if s.Token, err = strconv.ParseInt(strings.TrimSpace(token), 10, 64); err != nil {
		return TraceStep{}, fmt.Errorf("token %q is not a number", token)
	}
	if s.Layer, err = parseIndex("layer", layer); err != nil {
		return TraceStep{}, err
	}
	s.Used = make([]Key, 0, strings.Count(rest, ",")+1)
	for field := range strings.SplitSeq(rest, ",") {
		e, err := parseIndex("expert", field)
		if err != nil {
			return TraceStep{}, err
		}
		s.Used = append(s.Used, Key{Layer: uint16(s.Layer), Expert: uint16(e)})
	}
	return s, nil
}

func parseIndex(what, field string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(field))
	if err != nil || n < 0 || n > MaxIndex {
		return 0, fmt.Errorf("%s %q is not a number from 0 to %d", what, field, MaxIndex)
	}
	return n, nil
}

// LoadTraces reads whole files as one stream. Tokens are renumbered to count on from
// file to file, from 0; a token is new when its number changes or its layer
// does not come after the one before. Meta is taken from the comments, and
// where they are silent Layers and TopK from the steps.
func LoadTraces(paths ...string) ([]TraceStep, TraceMeta, error) {
	var steps []TraceStep
	var meta TraceMeta
	token := int64(-1)
	for _, path := range paths {
		m, err := loadTrace(path, &steps, &token)
		if err != nil {
			return nil, TraceMeta{}, err
		}
		if meta, err = mergeMeta(meta, m); err != nil {
			return nil, TraceMeta{}, fmt.Errorf("%s: %w", path, err)
		}
	}
	if meta.Layers == 0 {
		for _, s := range steps {
			meta.Layers = max(meta.Layers, s.Layer+1)
		}
	}
	if meta.TopK == 0 {
		meta.TopK = usualLength(steps)
	}
	return steps, meta, nil
}

// usualLength is the number of experts that most steps have, the smaller of
// two: the others are batches, or accesses of something else than a model.
func usualLength(steps []TraceStep) (length int) {
	count := map[int]int{}
	for _, s := range steps {
		count[len(s.Used)]++
	}
	for n, c := range count {
		if c > count[length] || c == count[length] && n < length {
			length = n
		}
	}
	return length
}

func loadTrace(path string, steps *[]TraceStep, token *int64) (TraceMeta, error) {
	f, err := os.Open(path)
	if err != nil {
		return TraceMeta{}, err
	}
	defer f.Close()
	r, err := NewTraceReader(f, path)
	if err != nil {
		return TraceMeta{}, err
	}
	var last TraceStep
	for first := true; ; first = false {
		s, err := r.Next()
		if err == io.EOF {
			return r.Meta(), nil
		}
		if err != nil {
			return TraceMeta{}, err
		}
		if first || s.Token != last.Token || s.Layer <= last.Layer {
			*token++
		}
		last = s
		s.Token = *token
		*steps = append(*steps, s)
	}
}

// mergeMeta joins what two recordings of one stream say.
func mergeMeta(a, b TraceMeta) (TraceMeta, error) {
	for _, f := range []struct {
		name string
		a, b *int
	}{{"layers", &a.Layers, &b.Layers}, {"experts", &a.Experts, &b.Experts}, {"top-k", &a.TopK, &b.TopK}} {
		if *f.a != 0 && *f.b != 0 && *f.a != *f.b {
			return a, fmt.Errorf("it is of a model with %s=%d, the traces before it of one with %d", f.name, *f.b, *f.a)
		}
		*f.a = max(*f.a, *f.b)
	}
	a.ExpertBytes = max(a.ExpertBytes, b.ExpertBytes)
	return a, nil
}

// GuessExperts is the number of experts of a layer where a recording does not
// tell: the power of two that has room for those used.
func GuessExperts(steps []TraceStep) int {
	n := 1
	for _, s := range steps {
		for _, k := range s.Used {
			for n <= int(k.Expert) {
				n *= 2
			}
		}
	}
	return n
}
