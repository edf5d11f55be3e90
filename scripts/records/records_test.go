package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"expertfs/scripts/records/report"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestChoose(t *testing.T) {
	all, err := choose(nil)
	require.NoError(t, err)
	assert.Len(t, all, len(parts))
	some, err := choose([]string{"decode:24", "memory"})
	require.NoError(t, err)
	require.Len(t, some, 2)
	assert.Equal(t, 24, some[0].layers)
	assert.Equal(t, "make records PARTS=decode:24", some[0].command())
	assert.Equal(t, "make records PARTS=memory", some[1].command())
	for _, word := range []string{"decodes", "decode:25", "decode:0", "decode:x", "memory:2"} {
		_, err := choose([]string{word})
		assert.Error(t, err, word)
	}
}

// TestEveryPartIsDrawn: what is measured has a table, and a place in the paper.
func TestEveryPartIsDrawn(t *testing.T) {
	paper, err := os.ReadFile("../../docs/benchmarks.md")
	require.NoError(t, err)
	var measured, drawn []string
	for _, p := range parts {
		measured = append(measured, p.name)
		assert.Contains(t, string(paper), "<!-- records: "+p.name+" -->")
		assert.Greater(t, p.estimate(p.layers, 3), time.Second, p.name)
	}
	for _, p := range report.Parts {
		drawn = append(drawn, p.Name)
	}
	assert.ElementsMatch(t, measured, drawn)
}

// script writes a program that prints text, and returns its call.
func script(t *testing.T, text string) call {
	path := filepath.Join(t.TempDir(), "a program")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\ncat <<'END'\n"+text+"\nEND\n"), 0o755))
	return call{args: []string{path}}
}

// TestBench reads what gptoss bench and llama-bench print.
func TestBench(t *testing.T) {
	b, err := script(t, `[ { "n_gen": 32, "samples_ts": [ 9.5, 10.25 ], "hit_rate": 0.75, "drive_bytes_per_token": 2e6, "wait_ns_per_token": 3000000,
		"drive_speed": 2e9, "bound_ns_per_token": 4000000, "over_bound": 1.5 } ]`).bench(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 10.25, b.last())
	s := &session{lab: &lab{options: &options{root: "/r", work: "/w"}}, rec: &report.Record{}}
	s.addBench("25%", b, call{env: []string{"A=b"}, args: []string{"/r/bin/gptoss", "bench", "--model", "/w/mnt"}})
	assert.Equal(t, "A=b gptoss bench --model mnt", s.rec.Find("25%", report.Ours, report.Speed).Command)
	assert.Equal(t, 75.0, s.rec.Find("25%", report.Ours, report.Hits).Median)
	assert.Equal(t, 2.0, s.rec.Find("25%", report.Ours, report.Drive).Median)
	assert.Equal(t, 3.0, s.rec.Find("25%", report.Ours, report.Stall).Median)
	assert.Equal(t, 2.0, s.rec.Find("25%", report.Ours, report.DriveSpeed).Median)
	assert.Equal(t, 4.0, s.rec.Find("25%", report.Ours, report.Least).Median)
	assert.Equal(t, 1.5, s.rec.Find("25%", report.Ours, report.XBound).Median)

	for _, text := range []string{"[]", "{}", "no JSON", `[{"samples_ts": []}]`} {
		_, err := script(t, text).bench(t.Context())
		assert.Error(t, err, text)
	}
	_, err = call{args: []string{"sh", "-c", "echo it is so >&2; exit 3"}}.output(t.Context())
	require.ErrorContains(t, err, "exit status 3: it is so")
}

// TestBatchedBench reads an object a line among other lines, of either engine.
func TestBatchedBench(t *testing.T) {
	tests, err := script(t, "loading\n"+`{"pl": 1, "speed_tg": 40.5, "threads": 2}`+"\n"+`{"pl": 8, "speed_tg": 130}`).batchedBench(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []batched{{1, 40.5}, {8, 130}}, tests)
	_, err = script(t, "loading").batchedBench(t.Context())
	require.ErrorContains(t, err, "no figure")
}

func TestGoBench(t *testing.T) {
	c := script(t, "goos: linux\n"+
		"BenchmarkMemory/threads=2-2         \t       2\t  59382926 ns/op\t9040.83 MB/s\n"+
		"BenchmarkMulBatch/q8-int8/avx512-16 \t      82\t    830770 ns/op\t       113.6 GMAC/s\nPASS")
	figures := map[string]float64{}
	require.NoError(t, goBench(t.Context(), c.args[0], "x", "1x", func(name string, figure float64, _ call) { figures[name] = figure }))
	assert.Equal(t, map[string]float64{"Memory/threads=2": 9040.83, "MulBatch/q8-int8/avx512": 113.6}, figures)
}

// TestWaitForQuiet: a busy machine is refused unless it was asked for, and told.
func TestWaitForQuiet(t *testing.T) {
	used, err := processorsUsed(t.Context(), 10*time.Millisecond)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, used, 0.0)
	assert.LessOrEqual(t, used, 1.0)
	l := &lab{options: &options{force: true}}
	_, err = l.waitForQuiet(t.Context())
	require.NoError(t, err)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = l.waitForQuiet(gone)
	require.ErrorIs(t, err, context.Canceled)
}

func TestMachine(t *testing.T) {
	m, err := thisMachine("Zen 9")
	require.NoError(t, err)
	assert.Equal(t, "Zen 9", m.Name)
	assert.NotEmpty(t, m.CPU)
	assert.Greater(t, m.Memory, int64(64<<20))
	assert.Contains(t, m.Kernel, "Linux ")
	m, err = thisMachine("")
	require.NoError(t, err)
	assert.NotEmpty(t, m.Name)
}

// TestTopTwo: the same weights under another config.
func TestTopTwo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "model")
	require.NoError(t, os.Mkdir(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"experts_per_token": 4, "num_experts": 128}`), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "model.safetensors"), []byte("weights"), 0o644))
	for range 2 {
		require.NoError(t, topTwo(dir, dir+"-2"))
	}
	text, err := os.ReadFile(dir + "-2/config.json")
	require.NoError(t, err)
	var config map[string]int
	require.NoError(t, json.Unmarshal(text, &config))
	assert.Equal(t, map[string]int{"experts_per_token": 2, "num_experts": 128}, config)
	text, err = os.ReadFile(dir + "-2/model.safetensors")
	require.NoError(t, err)
	assert.Equal(t, "weights", string(text))
}
