package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"expertfs"
	"expertfs/infer"

	"github.com/stretchr/testify/require"
)

// TestPreferResident generates on mounts with the router's choice leaning towards
// experts in RAM.
func TestPreferResident(t *testing.T) {
	program := buildExpertfs(t)
	want := score(t, tinyTree(t))
	t.Run("counts", func(t *testing.T) { testSubstitutes(t, program) })
	t.Run("served", func(t *testing.T) { testServedSubstitutes(t, program) })
	t.Run("table", func(t *testing.T) { testMargins(t, program) })
	t.Run("server dies", func(t *testing.T) { testFollowsTheNewMount(t, program) })
	t.Run("all in RAM", func(t *testing.T) {
		dir := mountTiny(t, program, "--ram", "64MiB")
		names := expertfs.Names{Layers: 4, Experts: 32}
		for i := range names.Layers * names.Experts {
			_, err := os.ReadFile(filepath.Join(dir, names.ExpertPath(expertfs.NewKey(i/32, i%32))))
			require.NoError(t, err)
		}
		require.Equal(t, want, score(t, dir, "--prefer-resident", "100"), "there is nothing to be had instead")
	})
	t.Run("cold", func(t *testing.T) {
		dir := mountTiny(t, program, "--ram", "400KiB") // fewer than the experts of a token
		require.Equal(t, want, score(t, dir, "--prefer-resident", "100"))
	})
	t.Run("off", func(t *testing.T) {
		dir := mountTiny(t, program, "--ram", "1MiB")
		require.Equal(t, want, score(t, dir, "--prefer-resident", "0", "-b", "1"))
	})
}

// testSubstitutes: run and bench tell how often another expert was used, and which
// follows from the margin.
func testSubstitutes(t *testing.T, program string) {
	dir := mountTiny(t, program, "--ram", "1MiB")
	args := []string{"run", "--model", dir, "--ids", "-", "-n", "40", "--temp", "0"}
	var figures timingFigures
	out, notes, err := runCommand(t, someIDs, append(args, "--json")...)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal([]byte(out), &figures))
	require.Zero(t, figures.Substituted)
	require.NotContains(t, notes, "preferred")

	args = append(args, "--prefer-resident", "1")
	out, notes, err = runCommand(t, someIDs, append(args, "--json")...)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal([]byte(out), &figures))
	require.Positive(t, figures.Substituted)
	require.LessOrEqual(t, figures.Substituted, int64(39*4*4), "the prompt keeps the router's choice")
	require.Contains(t, notes, "gptoss: note: experts in RAM are preferred within 1 logits")
	_, notes, err = runCommand(t, someIDs, args...)
	require.NoError(t, err)
	require.Regexp(t, `\n +[1-9]\d* substituted, because they are in RAM\n`, notes)

	bench := []string{"bench", "-m", dir, "-p", "0", "-n", "30", "-r", "1", "--prefer-resident", "1"}
	out, _, err = runCommand(t, "", append(bench, "-o", "jsonl")...)
	require.NoError(t, err)
	var record benchRecord
	require.NoError(t, json.Unmarshal([]byte(out), &record))
	require.Positive(t, record.Substituted)
	require.Equal(t, 1.0, record.Prefer)
	out, _, err = runCommand(t, "", bench...)
	require.NoError(t, err)
	lines := strings.Split(out, "\n")
	require.Contains(t, lines[0], "| substituted/token |")
	require.Equal(t, strings.Count(lines[0], "|"), strings.Count(lines[1], "|"))
	require.Equal(t, strings.Count(lines[0], "|"), strings.Count(lines[2], "|"))
	_, _, err = runCommand(t, "", append(bench, "--routing", "x.csv")...)
	require.ErrorContains(t, err, "recorded routing (--routing) lacks")
}

// testServedSubstitutes: the timings of an answer have the count.
func testServedSubstitutes(t *testing.T, program string) {
	dir := mountTiny(t, program, "--ram", "1MiB")
	const body = `{"prompt": "In the beginning", "max_tokens": 40, "temperature": 0}`
	var answer struct {
		Timings struct {
			Generated   int  `json:"predicted_n"`
			Substituted *int `json:"experts_substituted"`
		}
	}
	log := served(t, []string{"--model", dir, "--prefer-resident", "1"}, func(url string) { post(t, url+"/v1/completions", body, &answer) })
	require.Contains(t, log, "experts in RAM are preferred within 1 logits")
	require.NotNil(t, answer.Timings.Substituted)
	require.Positive(t, *answer.Timings.Substituted)
	require.LessOrEqual(t, *answer.Timings.Substituted, answer.Timings.Generated*4*4)
	answer.Timings.Substituted = nil
	served(t, []string{"--model", dir}, func(url string) { post(t, url+"/v1/completions", body, &answer) })
	require.Nil(t, answer.Timings.Substituted)
}

// testFollowsTheNewMount: when a mount is back, what is in its RAM counts, not what
// was in that of the one before. The new one has too little for a warm cache.
func testFollowsTheNewMount(t *testing.T, program string) {
	dir := t.TempDir()
	umount := func() { _ = exec.Command(program, "umount", dir).Run() }
	t.Cleanup(umount)
	server := mountInFront(t, program, dir, []string{"--ram", "1MiB"})
	m := modelFlags{dir: dir, mapBytes: "auto", options: infer.Options{PreferResident: 5, Batch: 1}, quiet: true}
	e, err := m.open()
	require.NoError(t, err)
	defer e.Close()
	s, ids := e.NewSession(), mustIDs(t, someIDs)
	require.NoError(t, s.Append(t.Context(), ids, nil))
	before := s.Substituted()
	require.Positive(t, before)
	require.NoError(t, server.Process.Kill())
	_ = server.Wait()
	require.Error(t, s.Append(t.Context(), ids, nil))
	umount()
	before = s.Substituted() // also those of the token that failed
	server = mountInFront(t, program, dir, []string{"--ram", "400KiB"})
	require.NoError(t, s.Append(t.Context(), ids, nil))
	require.Equal(t, before, s.Substituted())
	require.NoError(t, e.Close())
	umount()
	require.NoError(t, server.Wait())
}

// testMargins reads the table of margins.
func testMargins(t *testing.T, program string) {
	dir := mountTiny(t, program, "--ram", "1MiB")
	out, _, err := runCommand(t, strings.Repeat(someIDs+" ", 4), "score", "--model", dir, "--ids", "-", "-c", "40", "--margins", "0,2")
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	require.Len(t, lines, 4, out)
	require.Regexp(t, `^\| 0 \| \d\.\d+ \| \+0\.00% \| 100\.0% \| 0\.0% \| \d+\.\d% \|`, lines[2])
	require.Regexp(t, `^\| 2 \| \d\.\d+ \| [+-]\d+\.\d\d% \| \d+\.\d% \| (0\.[1-9]|[1-9]\d*\.\d)% \| \d+\.\d% \|`, lines[3])
	for text, args := range map[string][]string{
		"--from and --margins exclude":    {"--margins", "1", "--from", "3"},
		"needs a text of two":             {"--margins", "1"},
		"--margins -0.5: want 0 to 100":   {"--margins", "1,-0.5"},
		"want 0 to 100 logits":            {"--prefer-resident", "-1"},
		"experts in RAM cannot be prefer": {"--prefer-resident", "1", "--model", tinyTree(t)},
	} {
		_, _, err := runCommand(t, "7", append([]string{"score", "--model", dir, "--ids", "-"}, args...)...)
		require.ErrorContains(t, err, text)
	}
}
