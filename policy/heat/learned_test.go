package heat_test

import (
	"bytes"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"expertfs/policy"
	"expertfs/policy/heat"

	"github.com/stretchr/testify/require"
)

var weights = policy.Learned{Kind: "k", Parts: [][]float32{{1, -2.5, 1e-30}, {}, {7}}}

// TestFIFOs: neither file is waited for where a FIFO has its name.
func TestFIFOs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	for name, c := range map[string]struct {
		do   func() error
		want error
	}{
		"Check":       {func() error { return heat.Check(path) }, heat.ErrNotHeat},
		"Load":        {func() error { _, err := heat.Load(path, "m", shape); return err }, heat.ErrNotHeat},
		"Save":        {func() error { return heat.Save(path, "m", shape, learned()) }, heat.ErrNotHeat},
		"LoadLearned": {func() error { _, err := heat.LoadLearned(path, "m"); return err }, heat.ErrNotLearned},
		"SaveLearned": {func() error { return heat.SaveLearned(path, "m", weights) }, heat.ErrNotLearned},
	} {
		done := make(chan error, 1)
		go func() { done <- c.do() }()
		select {
		case err := <-done:
			require.ErrorIs(t, err, c.want, name)
		case <-time.After(time.Minute):
			t.Fatal(name, " waits for a writer")
		}
	}
}

func TestSaveAndLoadLearned(t *testing.T) {
	path := filepath.Join(t.TempDir(), "learned")
	_, err := heat.LoadLearned(path, "m")
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, os.WriteFile(path, nil, 0o644))
	_, err = heat.LoadLearned(path, "m")
	require.ErrorIs(t, err, fs.ErrNotExist, "of an empty file")

	require.NoError(t, heat.SaveLearned(path, "m", weights))
	require.NoError(t, heat.SaveLearned(path, "m", weights), "replaces its own kind")
	got, err := heat.LoadLearned(path, "m")
	require.NoError(t, err)
	require.Equal(t, weights, got)
	_, err = heat.LoadLearned(path, "other")
	require.ErrorIs(t, err, heat.ErrOtherModel)

	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1, "no temporary file is left")
}

// TestTornLearned: of a file that lost its end, or in which a bit changed, nothing is
// read, and it is replaced.
func TestTornLearned(t *testing.T) {
	path := filepath.Join(t.TempDir(), "learned")
	require.NoError(t, heat.SaveLearned(path, "m", weights))
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	damaged := [][]byte{append(bytes.Clone(whole), 0), bytes.Replace(whole, []byte(`"version":1`), []byte(`"version":2`), 1)}
	for n := 1; n < len(whole); n++ {
		damaged = append(damaged, whole[:n])
		if n > 30 { // behind the name of the format
			changed := bytes.Clone(whole)
			changed[n] ^= 1
			damaged = append(damaged, changed)
		}
	}
	for _, text := range damaged {
		require.NoError(t, os.WriteFile(path, text, 0o644))
		_, err := heat.LoadLearned(path, "m")
		require.ErrorIs(t, err, heat.ErrUnreadable, "%q", text)
		require.NoError(t, heat.SaveLearned(path, "m", weights))
		got, err := heat.LoadLearned(path, "m")
		require.NoError(t, err)
		require.Equal(t, weights, got)
	}
	require.NoError(t, heat.SaveLearned(path, "m", policy.Learned{Kind: "k", Parts: [][]float32{{float32(math.NaN())}}}))
	_, err = heat.LoadLearned(path, "m")
	require.ErrorIs(t, err, heat.ErrUnreadable, "no number")
}

func TestLearnedOfOthersIsSafe(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "mine")
	for _, text := range []string{"precious", `{"format":"expertfs heat","version":1}`} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		_, err := heat.LoadLearned(path, "m")
		require.ErrorIs(t, err, heat.ErrNotLearned)
		require.ErrorIs(t, heat.SaveLearned(path, "m", weights), heat.ErrNotLearned)
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, text, string(got))
	}
	require.ErrorIs(t, heat.SaveLearned(dir, "m", weights), heat.ErrNotLearned)
}
