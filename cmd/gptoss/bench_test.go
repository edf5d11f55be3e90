package main

import (
	"compress/gzip"
	"context"
	"encoding/csv"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"expertfs/infer"

	"github.com/stretchr/testify/require"
)

func TestBenchFormats(t *testing.T) {
	dir := tinyTree(t)
	bench := func(args ...string) string {
		out, _, err := runCommand(t, "", append([]string{"bench", "-m", dir, "-p", "6", "-n", "3", "-r", "2", "-t", "1"}, args...)...)
		require.NoError(t, err, args)
		return out
	}

	var array []map[string]any
	require.NoError(t, json.Unmarshal([]byte(bench("-o", "json", "--prefetch", "on")), &array))
	require.Len(t, array, 2)
	for i, x := range array {
		require.EqualValues(t, []int{6, 0}[i], x["n_prompt"])
		require.EqualValues(t, []int{0, 3}[i], x["n_gen"])
		require.EqualValues(t, 1, x["n_threads"])
		require.Positive(t, x["avg_ts"])
		require.Len(t, x["samples_ns"], 2)
		require.Len(t, x["samples_ts"], 2)
		require.Nil(t, x["hit_rate"], "a plain folder has no cache that counts")
		require.Len(t, x["prediction"], 3, "nothing comes before the first of 4 layers")
		require.Len(t, x["prediction_by_ahead"], 3)
		require.EqualValues(t, 8433760, x["model_n_params"])
	}

	lines := strings.Split(strings.TrimSpace(bench("-o", "jsonl")), "\n")
	require.Len(t, lines, 2)
	require.True(t, json.Valid([]byte(lines[1])))

	rows, err := csv.NewReader(strings.NewReader(bench("-o", "csv"))).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 3)
	require.Contains(t, rows[0], "avg_ts")

	table := bench("-o", "md", "--per-layer", "--prefetch", "on")
	require.Regexp(t, `\| gpt-oss 8M MXFP4 MoE \| .* \| pp6 \| [0-9.]+ ± [0-9.]+ \|`, table)
	require.Regexp(t, `\| tg3 \| [0-9.]+ ± [0-9.]+ \| - \|`, table)
	require.Regexp(t, `(?m)^\| 3 \| [0-9.]+% \| [0-9.]+% \|$`, table)
	require.Regexp(t, `(?m)^\| 2 \| [0-9.]+% \| [0-9.]+% \| [0-9.]+ \|$`, table)
}

// TestBenchTellsWhetherThreadsAreBound goes by NumCPU, the CPUs that this process
// may use: what is the default, GOMAXPROCS, may be less.
func TestBenchTellsWhetherThreadsAreBound(t *testing.T) {
	dir := tinyTree(t)
	n := runtime.NumCPU()
	if n == 1 {
		t.Skip("one CPU: there is nothing to bind")
	}
	for _, c := range []struct {
		threads int
		strict  string
		bound   bool
	}{{n, "1", true}, {n, "0", false}, {n + 1, "1", false}} {
		out, _, err := runCommand(t, "", "bench", "-m", dir, "-p", "0", "-n", "1", "-r", "1", "-o", "jsonl", "--no-warmup",
			"-t", strconv.Itoa(c.threads), "--cpu-strict", c.strict)
		require.NoError(t, err)
		var record benchRecord
		require.NoError(t, json.Unmarshal([]byte(out), &record))
		require.Equal(t, c.bound, record.CPUStrict, "%v", c)
	}
}

func TestBenchCombinations(t *testing.T) {
	dir := tinyTree(t)
	out, _, err := runCommand(t, "", "bench", "-m", dir, "-p", "0,4", "-n", "1,2", "-t", "1,2", "-b", "8", "--ubatch-size", "2,4",
		"-r", "1", "-o", "jsonl", "--no-warmup")
	require.NoError(t, err)
	require.Len(t, strings.Split(strings.TrimSpace(out), "\n"), 3*2*2)
}

// Texts at a time, in llama-batched-bench's columns.
func TestBenchOfSeveralTexts(t *testing.T) {
	dir := tinyTree(t)
	bench := func(args ...string) string {
		out, _, err := runCommand(t, "", append([]string{"bench", "-m", dir, "-p", "5", "-n", "4", "-t", "1", "--n-parallel", "1,3"}, args...)...)
		require.NoError(t, err)
		return out
	}
	var records []batchedRecord
	require.NoError(t, json.Unmarshal([]byte(bench("-o", "json")), &records))
	require.Len(t, records, 2)
	for i, parallel := range []int{1, 3} {
		r := records[i]
		require.Equal(t, []int{5, 4, parallel, 9 * parallel}, []int{r.Prompt, r.Gen, r.Parallel, r.KV})
		require.InDelta(t, float64(4*parallel)/r.GenS, r.GenTS, 1e-6*r.GenTS)
		require.InDelta(t, float64(9*parallel)/r.TotalS, r.TotalTS, 1e-6*r.TotalTS)
		require.GreaterOrEqual(t, r.ExpertsUsed, 4.0)
		require.LessOrEqual(t, r.ExpertsUsed, 4.0*float64(parallel))
		require.Nil(t, r.HitRate)
	}
	require.Greater(t, records[1].ExpertsUsed, records[0].ExpertsUsed)
	require.Regexp(t, `(?m)^\|     5 \|      4 \|    3 \|     27 \| +[0-9.]+ \| +[0-9.]+ \|`, bench())
	rows, err := csv.NewReader(strings.NewReader(bench("-o", "csv"))).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 3)
}

// A test at a depth is named so, and the tokens before it do not count.
func TestBenchDepth(t *testing.T) {
	out, _, err := runCommand(t, "", "bench", "-m", tinyTree(t), "-p", "3", "-n", "2", "-t", "1", "-r", "2", "-d", "0,40", "-o", "jsonl")
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	require.Len(t, lines, 4)
	for i, line := range lines {
		var r benchRecord
		require.NoError(t, json.Unmarshal([]byte(line), &r))
		require.Equal(t, []int{0, 0, 40, 40}[i], r.Depth)
		require.InDelta(t, float64(r.Prompt+r.Gen)/(float64(r.SamplesNS[0])/1e9), r.SamplesTS[0], 1)
	}
	_, _, err = runCommand(t, "", "bench", "-m", tinyTree(t), "-d", "4", "--n-parallel", "2")
	require.ErrorContains(t, err, "--n-depth and --n-parallel do not go together")
}

// The text before a test is computed once for all tests of a depth, and a deeper one
// goes on with it.
func TestDepthsShareTheirText(t *testing.T) {
	e, err := (&modelFlags{dir: tinyTree(t), mapBytes: "auto"}).open()
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close()) }()
	b := &bench{benchOptions: &benchOptions{}, engine: e, offsets: make(map[*infer.Session]int), random: rand.New(rand.NewPCG(1, 2))}
	for _, x := range []struct{ depth, computed int }{{40, 40}, {40, 0}, {70, 30}, {0, 0}, {70, 0}, {20, 20}} {
		before := e.Stats().Tokens
		begin, err := b.textOf(context.Background(), x.depth)
		require.NoError(t, err)
		require.Equal(t, x.computed, e.Stats().Tokens-before, "%d tokens", x.depth)
		for range 2 {
			s := begin()
			require.Equal(t, x.depth, s.Len())
			require.NoError(t, b.once(context.Background(), s, 3, 2))
			require.Equal(t, x.depth+5, s.Len())
		}
	}
}

func TestSpellOut(t *testing.T) {
	require.Equal(t, []string{"bench", "--ubatch-size", "4"}, spellOut([]string{"bench", "-ub", "4"}))
	require.Equal(t, []string{"bench", "--n-parallel", "4"}, spellOut([]string{"bench", "-npl", "4"}))
	require.Equal(t, []string{"run", "-p", "-ub"}, spellOut([]string{"run", "-p", "-ub"}))
	require.Empty(t, spellOut(nil))
}

func TestBenchErrors(t *testing.T) {
	dir := tinyTree(t)
	for want, args := range map[string][]string{
		`--output "sql" is not one of`: {"-o", "sql"},
		"--repetitions 0":              {"-r", "0"},
		"--n-prompt -1":                {"-p", "-1"},
		"--batch-size 0":               {"-b", "0"},
		"do not fit":                   {"-p", "2000"},
	} {
		_, _, err := runCommand(t, "", append([]string{"bench", "-m", dir}, args...)...)
		require.ErrorContains(t, err, want, args)
	}
}

// Recorded routing replaces the router's choice.
func TestBenchRouting(t *testing.T) {
	dir := tinyTree(t)
	trace := filepath.Join(t.TempDir(), "trace.csv.gz")
	f, err := os.Create(trace)
	require.NoError(t, err)
	z := gzip.NewWriter(f)
	_, err = z.Write([]byte("# one token\n7,0,1,2,3,4\n7,1,5,6,7,8\n7,2,9,10,11,12\n7,3,13,14,15,16\n7,4,99,98,97,96\n"))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	require.NoError(t, f.Close())
	out, _, err := runCommand(t, "", "bench", "-m", dir, "-p", "0", "-n", "10", "-r", "1", "-o", "jsonl", "--no-warmup", "--routing", trace)
	require.NoError(t, err)
	var record benchRecord
	require.NoError(t, json.Unmarshal([]byte(out), &record))
	require.Equal(t, "recorded", record.Routing)
	require.Equal(t, 1.6, record.ExpertsOpened, "16 experts in 10 tokens")

	// Compressed traces are known by their content, and read to where they are cut.
	text, err := os.ReadFile(trace)
	require.NoError(t, err)
	cut := filepath.Join(t.TempDir(), "cut")
	require.NoError(t, os.WriteFile(cut, text[:len(text)-8], 0o600))
	r, err := readRouting([]string{trace, cut}, 4, 32, 2)
	require.NoError(t, err)
	require.Equal(t, 2, r.tokens())
	experts := make([]int, 2)
	r.replay(5, 3, experts)
	require.Equal(t, []int{13, 14}, experts)

	// Readers side by side are two streams, of which the second was cut off.
	path := filepath.Join(t.TempDir(), "two.csv")
	text = []byte("# columns=stream,token,layer,experts\n0,0,0,1\n1,0,0,2\n1,0,1,3\n0,0,1,4\n1,1,0,5\n# end-stream=1\n1,0,0,6\n1,0,1,7\n")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	r, err = readRouting([]string{path}, 2, 8, 1)
	require.NoError(t, err)
	require.Equal(t, [][]int{{2}, {3}, {1}, {4}, {6}, {7}}, r.experts)
}

func TestRoutingErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trace.csv")
	for text, want := range map[string]string{
		"":                 "no token with all layers",
		"0,0,1":            ".csv:1: 1 experts, the model uses 2",
		"0,0,1,x":          `.csv:1: expert "x" is not a number`,
		"0,0,1,9":          ".csv:1: expert 9, the model has 8",
		"0,0,1,1":          ".csv:1: expert 1 twice",
		"0,1,1,2":          ".csv:1: layer 1 where layer 0 is expected",
		"0,0,1,2\n0,0,1,2": ".csv:2: layer 0 where layer 1 is expected",
		"0,0,1,2\n":        "no token with all layers",
	} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := readRouting([]string{path}, 2, 8, 2)
		require.ErrorContains(t, err, want, "%q", text)
	}
}

// The memory of a text is free again when its repetition is over: each goes on with a
// fork of the text of its depth.
func TestBenchKeepsNoForks(t *testing.T) {
	e, err := infer.Open(tinyTree(t), infer.Options{Threads: 1})
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close()) }()
	b := &bench{engine: e, offsets: make(map[*infer.Session]int), random: rand.New(rand.NewPCG(1, 2))}
	begin, err := b.textOf(t.Context(), 8)
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, b.once(t.Context(), begin(), 1, 1))
	}
	require.Len(t, b.offsets, 1, "that of the text which all repetitions go on with")
}
