package expertfs

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
)

// TraceReader reads the steps of one trace.
type TraceReader struct {
	name   string
	lines  *bufio.Scanner
	line   int
	meta   TraceMeta
	opens  bool
	column bool  // lines have their stream
	ended  []int // streams that the last comment has ended
}

// maxTraceLine bounds a line; a batch of all experts of a large model is far below.
const maxTraceLine = 1 << 20

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
	lines.Buffer(make([]byte, 0, 1<<16), maxTraceLine)
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
	for {
		if len(r.ended) > 0 {
			stream := r.ended[0]
			r.ended = r.ended[1:]
			return TraceStep{Stream: stream, End: true}, nil
		}
		if !r.lines.Scan() {
			break
		}
		r.line++
		text := strings.TrimSpace(r.lines.Text())
		if text == "" {
			continue
		}
		if comment, ok := strings.CutPrefix(text, "#"); ok {
			if err := r.comment(comment); err != nil {
				return TraceStep{}, fmt.Errorf("%s: %w", r.Where(), err)
			}
			continue
		}
		step, err := r.parseStep(text)
		if err != nil {
			return TraceStep{}, fmt.Errorf("%s: %w", r.Where(), err)
		}
		step.Opened = r.opens
		return step, nil
	}
	if err := r.lines.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			err = fmt.Errorf("a line of more than %d bytes", maxTraceLine)
		}
		return TraceStep{}, fmt.Errorf("%s:%d: %w", r.name, r.line+1, err)
	}
	return TraceStep{}, io.EOF
}

// comment takes the keys it knows from a comment. Words it does not understand
// are prose, except where the lines that follow would be misread.
func (r *TraceReader) comment(text string) error {
	for word := range strings.FieldsSeq(text) {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "steps":
			r.opens = value == "opens"
		case "columns":
			if value != columnsAlone && value != columnsStreams {
				return fmt.Errorf("columns %q: want %s or %s", shorten(value), columnsAlone, columnsStreams)
			}
			r.column = value == columnsStreams
		case "end-stream":
			stream, err := parseIndex("stream", value)
			if err != nil {
				return err
			}
			r.ended = append(r.ended, stream)
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
	return nil
}

func setPositive(to *int, text string) {
	if n, err := strconv.Atoi(text); err == nil && n > 0 && n <= MaxIndex {
		*to = n
	}
}

var errFields = errors.New("want token, layer and at least one expert, between commas")

func (r *TraceReader) parseStep(text string) (TraceStep, error) {
	var s TraceStep
	var err error
	if r.column {
		stream, rest, _ := strings.Cut(text, ",")
		if s.Stream, err = parseIndex("stream", stream); err != nil {
			return TraceStep{}, err
		}
		text = rest
	}
	token, rest, _ := strings.Cut(text, ",")
	layer, rest, ok := strings.Cut(rest, ",")
	if !ok {
		return TraceStep{}, errFields
	}
	if s.Token, err = strconv.ParseInt(strings.TrimSpace(token), 10, 64); err != nil {
		return TraceStep{}, fmt.Errorf("token %q is not a number", shorten(token))
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
		return 0, fmt.Errorf("%s %q is not a number from 0 to %d", what, shorten(field), MaxIndex)
	}
	return n, nil
}

// LoadTraces reads whole files as one recording. Tokens are renumbered so that no
// two have one number, in the order in which they begin, from 0 and on from file
// to file; a token is new when its number changes in its stream, or its layer does
// not come after the one before there. Streams end with their file, but for
// stream 0, which goes on in the next. Meta is taken from the comments, and where
// they are silent Layers and TopK from the steps.
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
		if !s.End {
			count[len(s.Used)]++
		}
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
	type position struct {
		token int64 // in the file
		layer int
		as    int64 // the token's number in the recording
	}
	streams := map[int]position{}
	for {
		s, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return TraceMeta{}, err
		}
		if s.End {
			delete(streams, s.Stream)
			*steps = append(*steps, s)
			continue
		}
		at, known := streams[s.Stream]
		if !known || s.Token != at.token || s.Layer <= at.layer {
			*token++
			at.as = *token
		}
		at.token, at.layer = s.Token, s.Layer
		streams[s.Stream] = at
		s.Token = at.as
		*steps = append(*steps, s)
	}
	for _, stream := range slices.Sorted(maps.Keys(streams)) {
		if stream != 0 {
			*steps = append(*steps, TraceStep{Stream: stream, End: true})
		}
	}
	return r.Meta(), nil
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
