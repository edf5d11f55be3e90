package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"expertfs/policy"
	"expertfs/policy/replay"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// writeTraces makes two traces of a model of 2 x 8 experts.
func writeTraces(t *testing.T) (dir string) {
	dir = t.TempDir()
	var text strings.Builder
	text.WriteString("# layers=2 experts=8 top-k=2 expert-bytes=1000\n")
	for token := range 60 {
		for layer := range 2 {
			fmt.Fprintf(&text, "%d,%d,%d,%d\n", token, layer, token*token%7, 7-token%3%2)
		}
	}
	for _, name := range []string{"a.csv", "b.csv", "notes.txt"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text.String()), 0o644))
	}
	return dir
}

// replayed runs the command and returns what it prints.
func replayed(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := newReplayCommand()
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	var out bytes.Buffer
	cmd.SetOut(&out)
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func TestReplayJSON(t *testing.T) {
	dir := writeTraces(t)
	out, err := replayed(t, "--json", "--policy", "lru,ewma:alpha=0.1,gamma=0,default", "--ram", "50%,4kB", "--bandwidth", "1MB/s", dir)
	require.NoError(t, err)
	var rows []map[string]any
	require.NoError(t, json.Unmarshal([]byte(out), &rows))
	require.Len(t, rows, 6)
	var policies []string
	for _, r := range rows {
		policies = append(policies, r["policy"].(string))
		assert.EqualValues(t, 120, r["tokens"])
		assert.EqualValues(t, 480, r["accesses"])
		assert.InDelta(t, 1-r["hit_rate"].(float64), r["misses_per_token"].(float64)/4, 1e-9)
		assert.InDelta(t, r["miss_bytes_per_token"].(float64), r["misses_per_token"].(float64)*1000, 1e-6)
		assert.InDelta(t, r["miss_seconds_per_token"].(float64), r["miss_bytes_per_token"].(float64)/1e6, 1e-12)
		assert.Contains(t, r, "belady_share")
	}
	assert.Equal(t, []string{"lru", "lru", "ewma:alpha=0.1,gamma=0", "ewma:alpha=0.1,gamma=0", "default", "default"}, policies, "as given")
	assert.Equal(t, 0.25, rows[0]["ram_fraction"], "ascending")
	assert.Equal(t, 0.5, rows[1]["ram_fraction"])
}

func TestReplayIsWarmFromTraceToTrace(t *testing.T) {
	dir := writeTraces(t)
	hits := func(paths ...string) float64 {
		out, err := replayed(t, append([]string{"--json", "--policy", "lru", "--ram", "100%"}, paths...)...)
		require.NoError(t, err)
		var rows []replay.Result
		require.NoError(t, json.Unmarshal([]byte(out), &rows))
		return float64(rows[0].Accesses - rows[0].Hits)
	}
	a, b := filepath.Join(dir, "a.csv"), filepath.Join(dir, "b.csv")
	assert.Equal(t, hits(a), hits(a, b), "the second has no first uses")
	assert.Equal(t, hits(a, b), hits(dir))
	assert.Equal(t, hits(a, b), hits(filepath.Join(dir, "[ab].csv")), "a pattern that no shell expanded")
}

func TestReplayOfSeveralReaders(t *testing.T) {
	dir := writeTraces(t)
	rows := func(args ...string) (rows []replay.Result) {
		out, err := replayed(t, append([]string{"--json", "--policy", "lru,default", "--ram", "50%"}, args...)...)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal([]byte(out), &rows))
		require.Len(t, rows, 2)
		return rows
	}
	one, two := rows(dir), rows("--streams", "2", dir)
	assert.Equal(t, one[0].Accesses, two[0].Accesses)
	assert.Equal(t, one[0].Tokens, two[0].Tokens)
	assert.NotEqual(t, one[0].Hits, two[0].Hits)
	assert.Equal(t, one, rows("--streams", "1", dir))

	// The same as a mount with two readers would record it.
	text := "# layers=2 experts=8 top-k=2 expert-bytes=1000\n# columns=stream,token,layer,experts\n"
	alone, err := os.ReadFile(filepath.Join(dir, "a.csv"))
	require.NoError(t, err)
	for line := range strings.Lines(string(alone)) {
		if !strings.HasPrefix(line, "#") {
			text += "0," + line + "1," + line
		}
	}
	shared := filepath.Join(t.TempDir(), "shared.csv")
	require.NoError(t, os.WriteFile(shared, []byte(text), 0o644))
	assert.Equal(t, two, rows(shared))

	_, err = replayed(t, "--streams", "2", shared)
	require.ErrorContains(t, err, "shared.csv: it is of several readers already")
	assert.Equal(t, exitUsage, exitCode(err))
	_, err = replayed(t, "--streams", "3", dir)
	require.ErrorContains(t, err, "--streams 3: that takes as many traces, 2 are given")
	_, err = replayed(t, "--streams", "65", dir)
	require.ErrorContains(t, err, "--streams 65: expected 1 to 64")
}

func TestReplayPrintsTablesAndAll(t *testing.T) {
	dir := writeTraces(t)
	out, err := replayed(t, "--policy", "all,belady", "--ram", "25%", dir)
	require.NoError(t, err)
	for _, name := range append(policy.Names(), replay.Belady) {
		assert.Contains(t, out, " "+name+"\n")
	}
	out, err = replayed(t, "--policy", "default", "--ram", "25%", dir)
	require.NoError(t, err)
	assert.Contains(t, out, " default ("+policy.Default+")\n")
	out, err = replayed(t, "--csv", "--ram", "25%,50%", dir)
	require.NoError(t, err)
	assert.Equal(t, 3, strings.Count(out, "\n"))
	assert.Equal(t, 2, strings.Count(out, ",\n"), "no seconds without a bandwidth")
	assert.True(t, strings.HasPrefix(out, "policy,ram_fraction,"))
}

func TestReplayFindsRAM(t *testing.T) {
	dir := writeTraces(t)
	out, err := replayed(t, "--ram-for-hit", "60%", "--policy", "lru,belady", "--json", dir)
	require.NoError(t, err)
	var found []needed
	require.NoError(t, json.Unmarshal([]byte(out), &found))
	require.Len(t, found, 2)
	assert.True(t, found[0].Reached && found[1].Reached)
	assert.LessOrEqual(t, found[1].RAMBytes, found[0].RAMBytes)
	assert.InDelta(t, float64(found[0].RAMBytes)/16000, found[0].RAMFraction, 1e-12)

	_, err = replayed(t, "--ram-for-hit", "60%", "--ram", "25%", dir)
	require.ErrorContains(t, err, "none of the others can be")

	out, err = replayed(t, "--ram-for-hit", "100%", dir)
	require.NoError(t, err)
	assert.Contains(t, out, "more than all")
}

func TestReplayDraws(t *testing.T) {
	dir := writeTraces(t)
	path := filepath.Join(t.TempDir(), "curves.svg")
	for range 2 { // also over its own picture
		_, err := replayed(t, "--svg", path, "--policy", "lru,default", dir)
		require.NoError(t, err)
	}
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	for d := xml.NewDecoder(f); ; {
		if _, err := d.Token(); err == io.EOF {
			break
		} else {
			require.NoError(t, err)
		}
	}
	_, err = replayed(t, "--svg", filepath.Join(dir, "a.csv"), dir)
	assert.ErrorContains(t, err, "must end in .svg")
}

func TestReplayRefuses(t *testing.T) {
	dir := writeTraces(t)
	bad := filepath.Join(t.TempDir(), "bad.csv")
	require.NoError(t, os.WriteFile(bad, []byte("# a\n0,0,one\n"), 0o644))
	empty := filepath.Join(t.TempDir(), "empty.csv")
	require.NoError(t, os.WriteFile(empty, nil, 0o644))
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--policy", "clock", dir}, exitUsage, "--policy: no policy is called \"clock\"; there are arc,"},
		{[]string{"--policy", "ewma:alpha=7", dir}, exitUsage, "alpha=7"},
		{[]string{"--ram", "much", dir}, exitUsage, "neither a share"},
		{[]string{"--ram", "120%", dir}, exitUsage, "120%"},
		{[]string{"--bandwidth", "fast", dir}, exitUsage, "--bandwidth fast"},
		{[]string{"--expert-bytes", "0", dir}, exitUsage, "--expert-bytes 0"},
		{[]string{"--ram-for-hit", "0.9", dir}, exitUsage, "not a share like 25%"},
		{[]string{"--layers", "-1", dir}, exitUsage, "--layers -1"},
		{[]string{"--experts", "-1", dir}, exitUsage, "--experts -1"},
		{[]string{"--policy", "belady", "--layers", "1000000000", "--experts", "1000000000", dir}, exitFailure, "out of range"},
		{[]string{"--experts", "4", dir}, exitFailure, "is not of a model of 2 x 4 experts"},
		{[]string{bad}, exitFailure, "bad.csv:2: expert \"one\""},
		{[]string{empty}, exitFailure, "no steps in it"},
		{[]string{t.TempDir()}, exitFailure, "no .csv or .csv.gz in it"},
		{[]string{filepath.Join(dir, "none.csv")}, exitFailure, "no such file"},
	} {
		_, err := replayed(t, c.args...)
		require.ErrorContains(t, err, c.want, c.args)
		assert.Equal(t, c.code, exitCode(err), c.args)
	}
}
