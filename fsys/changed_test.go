package fsys_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"expertfs/checkpoint/config"
	"expertfs/checkpoint/synth"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestChangedCheckpoint changes the checkpoint under a mount: what is not its
// content goes unnoticed, and what is fails the loads that need the file.
func TestChangedCheckpoint(t *testing.T) {
	c, err := config.Preset("tiny")
	require.NoError(t, err)
	for name, change := range map[string]struct {
		change func(path string) error
		fails  bool
	}{
		"touched": {func(path string) error { return os.Chtimes(path, time.Time{}, time.Unix(1, 0)) }, false},
		"cut":     {func(path string) error { return os.Truncate(path, 10_000) }, true},
		"replaced": {func(path string) error {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if err := os.WriteFile(path+".new", data, 0o644); err != nil {
				return err
			}
			return os.Rename(path+".new", path)
		}, true},
		"rewritten in place": {func(path string) error {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for i := len(data) / 8; i < len(data); i++ {
				data[i]++
			}
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.WriteAt(data, 0)
			return err
		}, true},
		"removed": {os.Remove, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "two\nlines")
			require.NoError(t, synth.Write(context.Background(), dir, synth.Options{Config: c, Seed: 1}))
			m := openModel(t, dir)
			s := mount(t, serverConfig{Checkpoint: dir})
			resident, err := os.ReadFile(s.expert(0, 0))
			require.NoError(t, err)
			require.NoError(t, change.change(filepath.Join(dir, "model.safetensors")))
			again, err := os.ReadFile(s.expert(0, 0))
			require.NoError(t, err, "what is in RAM stays")
			require.Equal(t, resident, again)
			if !change.fails {
				require.NoError(t, m.compare(s, ways, 1, 1, func() error { return nil }))
				return
			}
			for e := range 3 {
				_, err = os.Open(s.expert(1, e))
				require.ErrorIs(t, err, unix.EIO)
			}
		})
	}
}
