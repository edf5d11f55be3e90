package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"expertfs"
	"expertfs/checkpoint"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// runCommand runs one command and returns what it printed.
func runCommand(c *cobra.Command, args ...string) (string, error) {
	var out bytes.Buffer
	c.SetOut(&out)
	c.SetArgs(args)
	c.SilenceUsage, c.SilenceErrors = true, true
	err := c.Execute()
	return out.String(), err
}

// synthModel writes a small checkpoint and returns its folder.
func synthModel(t *testing.T, flags ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "model")
	_, err := runCommand(newSynthCommand(), append(flags, "--layers", "2", dir)...)
	require.NoError(t, err)
	return dir
}

func TestCheckDescribesTheModel(t *testing.T) {
	out, err := runCommand(newCheckCommand(), "embed:tiny")
	require.NoError(t, err)
	for _, want := range []string{
		"embed:tiny (layout openai",
		"4 layers, hidden 192, intermediate 96",
		"4,382,720 bytes (4.2 MiB) = 4 layers x 32 experts x 34,240 bytes",
		"547,840 bytes (535 KiB) = 4 layers x 4 experts x 34,240 bytes",
		"no problems found",
		"One token uses 535 KiB of experts",
		"  expertfs mount --ram 3MiB embed:tiny MOUNTPOINT\n",
	} {
		require.Contains(t, out, want)
	}
}

func TestCheckJSON(t *testing.T) {
	dir := synthModel(t, "--layout", "hf", "--shard-size", "1MB")
	out, err := runCommand(newCheckCommand(), "--json", "--data", dir)
	require.NoError(t, err)
	var report checkReport
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	require.True(t, report.OK)
	require.Empty(t, report.Problems)
	require.Equal(t, "huggingface", report.Model.Layout)
	require.Equal(t, 2, report.Model.Layers)
	require.Greater(t, len(report.Model.Files), 1)
	require.Equal(t, []string{"config.json"}, report.Model.SmallFiles)
}

func TestCheckListsProblems(t *testing.T) {
	dir := synthModel(t)
	path := filepath.Join(dir, "config.json")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	text = bytes.ReplaceAll(text, []byte(`"vocab_size": 2048`), []byte(`"vocab_size": 2000`))
	require.NoError(t, os.WriteFile(path, text, 0o644))

	out, err := runCommand(newCheckCommand(), dir)
	require.ErrorContains(t, err, "3 problems")
	require.Equal(t, exitBadCheckpoint, exitCode(err))
	require.Contains(t, out, "says vocab_size 2000, but the weights have 2048: is it the config of another model?\n")
	require.Contains(t, out, `"embedding.weight" is BF16[2048 192], expected BF16[2000 192]`)
	require.Contains(t, out, `"unembedding.weight" is BF16[2048 192]`)

	require.NoError(t, os.Truncate(filepath.Join(dir, "model.safetensors"), 5))
	out, err = runCommand(newCheckCommand(), "--json", dir)
	require.ErrorContains(t, err, "too few")
	var report checkReport
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	require.False(t, report.OK)
	require.Len(t, report.Problems, 1)
	require.Nil(t, report.Model)

	_, err = runCommand(newCheckCommand(), filepath.Join(dir, "absent"))
	require.Equal(t, exitNoCheckpoint, exitCode(err))
}

// TestCheckNamesAWrongConfig has a config that makes nearly every tensor wrong.
func TestCheckNamesAWrongConfig(t *testing.T) {
	for _, layout := range []string{"openai", "hf"} {
		dir := synthModel(t, "--layout", layout)
		path := filepath.Join(dir, "config.json")
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		text = bytes.ReplaceAll(text, []byte(`"hidden_size": 192`), []byte(`"hidden_size": 320`))
		text = bytes.ReplaceAll(text, []byte(`"num_hidden_layers": 2`), []byte(`"num_hidden_layers": 4`))
		text = bytes.ReplaceAll(text, []byte(`"layer_types": [`), []byte(`"layer_types": ["full_attention", "full_attention",`))
		require.NoError(t, os.WriteFile(path, text, 0o644))
		out, err := runCommand(newCheckCommand(), dir)
		require.Equal(t, exitBadCheckpoint, exitCode(err))
		lines := strings.Split(strings.TrimSpace(out), "\n")
		require.Len(t, lines, maxShown+1)
		require.Contains(t, lines[0], "says hidden_size 320, num_hidden_layers 4, but the weights have 192, 2")
		require.Regexp(t, `^\.\.\. and \d+ more`, lines[maxShown])
	}
}

func TestCheckDataFindsScales(t *testing.T) {
	dir := synthModel(t)
	ck, err := checkpoint.Open(dir)
	require.NoError(t, err)
	scales := ck.Expert(expertfs.NewKey(1, 3)).Extents()[2] // the first of the two tensors of scales
	path := ck.Path(scales.File)
	require.NoError(t, ck.Close())
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte{255}, scales.Off+7)
	require.NoError(t, err)
	require.NoError(t, f.Close())

	_, err = runCommand(newCheckCommand(), dir)
	require.NoError(t, err) // headers do not show it
	_, err = runCommand(newCheckCommand(), "--data", dir)
	require.ErrorContains(t, err, "expert 3 has a scale of 255")
	require.Equal(t, exitBadCheckpoint, exitCode(err))
}
