package checkpoint

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// viewBytes reads a view whole.
func viewBytes(t *testing.T, c *Checkpoint, v *View) []byte {
	t.Helper()
	out := bytes.Clone(v.Header)
	for _, e := range v.Extents {
		piece := make([]byte, e.Len)
		_, err := io.ReadFull(io.NewSectionReader(c.Files()[e.File], e.Off, e.Len), piece)
		require.NoError(t, err)
		out = append(out, piece...)
	}
	require.EqualValues(t, v.Size(), len(out))
	return out
}

func itoa(n int) string { return strconv.Itoa(n) }

// views returns every view of a checkpoint by the path it has in a mount.
func views(t *testing.T, c *Checkpoint) map[string][]byte {
	t.Helper()
	out := map[string][]byte{
		"embedding":   viewBytes(t, c, c.Embedding()),
		"unembedding": viewBytes(t, c, c.Unembedding()),
	}
	for l := range c.Config().Layers {
		out[filepath.Join("dense", itoa(l))] = viewBytes(t, c, c.Dense(l))
		for e := range c.Config().Experts {
			out[filepath.Join("expert", itoa(l), itoa(e))] = viewBytes(t, c, c.Expert(l, e))
		}
	}
	return out
}

// sharedDir returns the folder of reference data, or skips the test.
func sharedDir(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("EXPERTFS_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared")
	}
	if _, err := os.Stat(filepath.Join(dir, "golden")); err != nil {
		t.Skip("no reference data: set EXPERTFS_SHARED to its folder")
	}
	return dir
}

// openOK opens a checkpoint that must be sound.
func openOK(t *testing.T, path string) *Checkpoint {
	t.Helper()
	c, err := Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func TestBothLayoutsGiveTheSameViews(t *testing.T) {
	golden := filepath.Join(sharedDir(t), "golden", "a64")
	openai := openOK(t, filepath.Join(golden, "original"))
	hf := openOK(t, filepath.Join(golden, "hf"))
	require.Equal(t, OpenAI, openai.Layout())
	require.Equal(t, HuggingFace, hf.Layout())
	require.Equal(t, views(t, openai), views(t, hf))
	require.NotEqual(t, openai.ID(), hf.ID())
}
