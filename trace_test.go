package expertfs_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"expertfs"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func readTrace(t require.TestingT, text []byte) ([]expertfs.TraceStep, expertfs.TraceMeta, error) {
	r, err := expertfs.NewTraceReader(bytes.NewReader(text), "t.csv")
	if err != nil {
		return nil, expertfs.TraceMeta{}, err
	}
	var steps []expertfs.TraceStep
	for {
		s, err := r.Next()
		if err == io.EOF {
			return steps, r.Meta(), nil
		}
		if err != nil {
			return steps, r.Meta(), err
		}
		steps = append(steps, s)
	}
}

func zipped(t require.TestingT, text string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

const sample = `# from somewhere, layers=2 experts=8 top-k=2 expert-bytes=1000 colour=red
101,0,3,1

 101 , 1 , 7 , 0
# steps=opens
102,0,5
`

func TestReadTrace(t *testing.T) {
	want := []expertfs.TraceStep{
		{Token: 101, Layer: 0, Used: []expertfs.Key{expertfs.NewKey(0, 3), expertfs.NewKey(0, 1)}},
		{Token: 101, Layer: 1, Used: []expertfs.Key{expertfs.NewKey(1, 7), expertfs.NewKey(1, 0)}},
		{Token: 102, Layer: 0, Used: []expertfs.Key{expertfs.NewKey(0, 5)}, Opened: true},
	}
	for _, text := range [][]byte{[]byte(sample), zipped(t, sample), []byte(strings.ReplaceAll(sample, "\n", "\r\n"))} {
		steps, meta, err := readTrace(t, text)
		require.NoError(t, err)
		assert.Equal(t, want, steps)
		assert.Equal(t, expertfs.TraceMeta{Layers: 2, Experts: 8, TopK: 2, ExpertBytes: 1000}, meta)
	}
	for _, empty := range []string{"", "\n", "#"} {
		steps, _, err := readTrace(t, []byte(empty))
		require.NoError(t, err)
		assert.Empty(t, steps)
	}
}

func TestErrorsNameFileAndLine(t *testing.T) {
	for text, want := range map[string]string{
		"# a\n1,2\n":               "t.csv:2: want token, layer",
		"1\n":                      "t.csv:1: want token, layer",
		"x,0,1\n":                  `t.csv:1: token "x" is not a number`,
		"0,0,1\n0,-1,1\n":          `t.csv:2: layer "-1" is not`,
		"0,70000,1\n":              `t.csv:1: layer "70000" is not`,
		"0,0,1,\n":                 `t.csv:1: expert "" is not`,
		"0,0,99999999999999999999": `t.csv:1: expert "99999999999999999999"`,
		"# columns=layer,token":    `t.csv:1: columns "layer,token": want token,layer,experts or stream,token,layer,experts`,
		"# end-stream=-1":          `t.csv:1: stream "-1" is not`,
		"# columns=stream,token,layer,experts\n0,0,0,1\n0,0,1\n": "t.csv:3: want",
		strings.Repeat("1", 2<<20):                               "t.csv:1: a line of more than 1048576 bytes",
	} {
		_, _, err := readTrace(t, []byte(text))
		assert.ErrorContains(t, err, want)
	}
	_, _, err := readTrace(t, []byte{0x1f, 0x8b, 9, 9})
	assert.ErrorContains(t, err, "t.csv")
}

// TestTracesOfSeveralReaders: the column comes with the second reader, so that a
// trace of one is as ever.
func TestTracesOfSeveralReaders(t *testing.T) {
	var b bytes.Buffer
	w := expertfs.NewTraceWriter(&b, false, expertfs.TraceMeta{Layers: 2, Experts: 8, TopK: 1, ExpertBytes: 5})
	step := func(stream, layer, expert int) expertfs.TraceStep {
		return expertfs.TraceStep{Stream: stream, Layer: layer, Used: []expertfs.Key{expertfs.NewKey(layer, expert)}}
	}
	for _, s := range []expertfs.TraceStep{
		step(0, 0, 1), step(0, 1, 2), step(1, 0, 3), step(0, 0, 4), step(1, 1, 5), {Stream: 1, End: true}, step(1, 1, 6),
	} {
		w.Step(s)
	}
	require.NoError(t, w.Close())
	require.Equal(t, `# layers=2 experts=8 top-k=1 expert-bytes=5
# steps=hints
0,0,1
0,1,2
# columns=stream,token,layer,experts
1,0,0,3
0,1,0,4
1,0,1,5
# end-stream=1
1,0,1,6
`, b.String())

	// Read as a recording, every token has a number of its own, and what has not
	// ended does so with the file.
	path := traceFile(t, "two.csv", b.String())
	steps, _, err := expertfs.LoadTraces(path, path)
	require.NoError(t, err)
	type line struct {
		stream, token int
		end           bool
	}
	var got []line
	for _, s := range steps {
		got = append(got, line{s.Stream, int(s.Token), s.End})
	}
	one := []line{{0, 0, false}, {0, 0, false}, {1, 1, false}, {0, 2, false}, {1, 1, false}, {1, 0, true}, {1, 3, false}, {1, 0, true}}
	require.Equal(t, one, got[:len(one)])
	require.Equal(t, line{0, 4, false}, got[len(one)])
	require.Len(t, got, 2*len(one))
}

// TestWrittenTracesAreReadBack: steps of any order come back, with tokens counted
// where a layer does not follow the one before in its stream.
func TestWrittenTracesAreReadBack(t *testing.T) {
	meta := expertfs.TraceMeta{Layers: 5, Experts: 9, TopK: 3, ExpertBytes: 77}
	rapid.Check(t, func(t *rapid.T) {
		var b bytes.Buffer
		w := expertfs.NewTraceWriter(&b, rapid.Bool().Draw(t, "zip"), meta)
		var want []expertfs.TraceStep
		token, last := map[int]int64{}, map[int]int{}
		for range rapid.IntRange(0, 20).Draw(t, "steps") {
			stream := rapid.IntRange(0, 2).Draw(t, "stream")
			if rapid.IntRange(0, 9).Draw(t, "end") == 0 {
				delete(token, stream)
				delete(last, stream)
				want = append(want, expertfs.TraceStep{Stream: stream, End: true})
				w.Step(want[len(want)-1])
				continue
			}
			s := expertfs.TraceStep{Stream: stream, Layer: rapid.IntRange(0, 4).Draw(t, "layer"), Opened: rapid.Bool().Draw(t, "opened")}
			for range rapid.IntRange(1, 4).Draw(t, "experts") {
				s.Used = append(s.Used, expertfs.NewKey(s.Layer, rapid.IntRange(0, 8).Draw(t, "expert")))
			}
			if before, known := last[stream]; known && s.Layer <= before {
				token[stream]++
			}
			last[stream] = s.Layer
			s.Token = token[stream]
			want = append(want, s)
			w.Step(s)
		}
		w.Comment("the end")
		require.NoError(t, w.Close())
		got, gotMeta, err := readTrace(t, b.Bytes())
		require.NoError(t, err)
		assert.Equal(t, want, got)
		assert.Equal(t, meta, gotMeta)
	})
}

// failing fails after some bytes.
type failing int

var errFull = errors.New("full")

func (f *failing) Write(p []byte) (int, error) {
	if *f -= failing(len(p)); *f < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestWriteErrorsStick(t *testing.T) {
	for _, zip := range []bool{false, true} {
		room := failing(10)
		w := expertfs.NewTraceWriter(&room, zip, expertfs.TraceMeta{})
		assert.ErrorIs(t, w.Flush(), errFull)
		room = 1 << 20
		w.Step(expertfs.TraceStep{Used: []expertfs.Key{expertfs.NewKey(0, 1)}})
		assert.ErrorIs(t, w.Close(), errFull)
	}
}

func TestFlushedStepsAreReadable(t *testing.T) {
	var b bytes.Buffer
	w := expertfs.NewTraceWriter(&b, false, expertfs.TraceMeta{})
	w.Step(expertfs.TraceStep{Used: []expertfs.Key{expertfs.NewKey(0, 1)}})
	require.NoError(t, w.Flush())
	steps, _, err := readTrace(t, b.Bytes())
	require.NoError(t, err)
	assert.Len(t, steps, 1)
}

// TestCutOffTracesAreReadToTheCut: wherever a crash cuts a compressed trace,
// the steps that were flushed before are there, and no half of a step.
func TestCutOffTracesAreReadToTheCut(t *testing.T) {
	var b bytes.Buffer
	w := expertfs.NewTraceWriter(&b, true, expertfs.TraceMeta{Layers: 1, Experts: 99, TopK: 1})
	var want []expertfs.TraceStep
	var flushed []int // the length of the file after as many steps
	for i := range 20 {
		k := expertfs.NewKey(0, 50+i)
		w.Step(expertfs.TraceStep{Used: []expertfs.Key{k}})
		want = append(want, expertfs.TraceStep{Token: int64(i), Used: []expertfs.Key{k}})
		require.NoError(t, w.Flush())
		flushed = append(flushed, b.Len())
	}
	require.NoError(t, w.Close())
	for cut := flushed[0]; cut <= b.Len(); cut++ {
		steps, _, err := readTrace(t, b.Bytes()[:cut])
		require.NoError(t, err)
		least := 0
		for least < len(flushed) && flushed[least] <= cut {
			least++
		}
		require.GreaterOrEqual(t, len(steps), least, cut)
		require.Equal(t, want[:len(steps)], steps, cut)
	}
}

func traceFile(t *testing.T, name, text string) string {
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

func TestLoadJoinsFilesToOneStream(t *testing.T) {
	a := traceFile(t, "a.csv", "7,0,1,2\n7,1,3,4\n7,0,1,2\n8,0,5,6\n")
	b := traceFile(t, "b.csv.gz", string(zipped(t, "8,1,1,2,3,4\n9,0,1\n")))
	steps, meta, err := expertfs.LoadTraces(a, b)
	require.NoError(t, err)
	var tokens []int64
	for _, s := range steps {
		tokens = append(tokens, s.Token)
	}
	assert.Equal(t, []int64{0, 0, 1, 2, 3, 4}, tokens)
	assert.Equal(t, expertfs.TraceMeta{Layers: 2, TopK: 2}, meta, "a step of four is a batch, one of one a stray")
	assert.Equal(t, 8, expertfs.GuessExperts(steps), "6 is used")
}

func TestLoadRefusesOtherModels(t *testing.T) {
	a := traceFile(t, "a.csv", "# layers=2 experts=8\n0,0,1\n")
	b := traceFile(t, "b.csv", "# layers=2 experts=16\n0,0,1\n")
	_, _, err := expertfs.LoadTraces(a, b)
	assert.ErrorContains(t, err, "b.csv: it is of a model with experts=16, the traces before it of one with 8")
	_, _, err = expertfs.LoadTraces(a, filepath.Join(t.TempDir(), "none.csv"))
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// FuzzTrace: whatever is read is of one layer a step, and is read again as the same
// when it is written, but for the numbers of tokens.
func FuzzTrace(f *testing.F) {
	f.Add([]byte(sample))
	f.Add(zipped(f, sample))
	f.Add([]byte("# columns=stream,token,layer,experts steps=opens\n3,0,0,1,2\n# end-stream=3\n# columns=token,layer,experts\n0,0,1\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		steps, _, err := readTrace(t, text)
		for _, s := range steps {
			for _, k := range s.Used {
				assert.Equal(t, s.Layer, int(k.Layer))
			}
		}
		if err != nil {
			assert.ErrorContains(t, err, "t.csv")
		}
		var again bytes.Buffer
		w := expertfs.NewTraceWriter(&again, false, expertfs.TraceMeta{})
		for _, s := range steps {
			w.Step(s)
		}
		require.NoError(t, w.Close())
		back, _, err := readTrace(t, again.Bytes())
		require.NoError(t, err)
		for _, list := range [][]expertfs.TraceStep{steps, back} {
			for i := range list {
				list[i].Token = 0
			}
		}
		assert.Equal(t, steps, back)
	})
}
