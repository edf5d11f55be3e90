package prefix

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWritingIsGivenUp: a file that is given up in its midst leaves nothing.
func TestWritingIsGivenUp(t *testing.T) {
	dir, ids := t.TempDir(), count(0, 20)
	s := openStore(t, "", nil)
	keep(s, ids, 20)
	last, _ := s.tree.longest(ids, 20)
	abort := make(chan struct{})
	path := filepath.Join(dir, fileName(last))
	_, err := writeSegment(path, s.key, last, last.state, abort)
	require.NoError(t, err)
	require.NoError(t, os.Remove(path))
	close(abort)
	_, err = writeSegment(path, s.key, last, last.state, abort)
	require.ErrorIs(t, err, errGivenUp)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestCloseWaitsForNoDriveThatHangs: when its context has ended Close returns, though a
// write does not.
func TestCloseWaitsForNoDriveThatHangs(t *testing.T) {
	s := openStore(t, "", nil)
	w := &writer{s: s, work: make(chan job), ended: make(chan struct{}), abort: make(chan struct{})} // in a write that does not end
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorContains(t, w.close(ctx), "not all prefixes were stored")
	require.True(t, w.aborted())
}

// TestCloseIsGivenUp: what waits to be written when Close has no more time is not.
func TestCloseIsGivenUp(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ids := count(0, 6400)
	for end := 64; end <= len(ids); end += 64 {
		keep(s, ids, end)
	}
	err := s.Close(ctx)
	<-s.writer.ended
	s = openStore(t, dir, nil)
	n, states := s.load(t.Context(), ids, len(ids))
	require.True(t, err != nil || n == len(ids), "all was written before")
	for _, st := range states {
		require.Equal(t, content(ids, st.From(), st.To()).Parts(), st.Parts())
	}
	require.Zero(t, s.Stats().Torn)
	left, err := filepath.Glob(filepath.Join(s.dir, temporary+"*"))
	require.NoError(t, err)
	require.Empty(t, left)
}
