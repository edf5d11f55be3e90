package diskcache

import (
	"sync"
	"testing"

	"expertfs/checkpoint/source/storetest"

	"github.com/stretchr/testify/require"
)

// A cache is closed once, whoever closes it and how often.
func TestCloseMoreThanOnce(t *testing.T) {
	files, dir := content(), t.TempDir()
	storetest.S3(t, files)
	c, _ := open(t, dir, 0)
	s := openBulk(t, c, model)
	_, err := readRange(t, s, 0, block)
	require.NoError(t, err)
	var closers sync.WaitGroup
	for range 3 {
		closers.Go(func() {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	closers.Wait()
	require.NoError(t, c.Close())
	require.NoError(t, c.Abandon())

	c, warnings := open(t, dir, 0)
	require.Empty(t, warnings, "it was given up, and not removed")
	require.EqualValues(t, block, check(t, c, files))
	require.NoError(t, c.Close())

	c, _ = open(t, t.TempDir(), 0)
	require.NoError(t, c.Abandon())
	require.NoError(t, c.Abandon())
	require.NoError(t, c.Close())
	require.NoDirExists(t, c.Dir())
}

// A source that is closed twice does not close what is open under its number since, and
// counts once.
func TestASourceIsClosedOnce(t *testing.T) {
	files := content()
	storetest.S3(t, files)
	c, _ := open(t, t.TempDir(), 0)
	f := c.file(c.listing.Find(model))
	first, second := openBulk(t, c, model), openBulk(t, c, model)
	_, err := readRange(t, first, 0, block)
	require.NoError(t, err)
	before := f.opened
	require.NoError(t, first.Close())
	require.NoError(t, first.Close())
	require.Equal(t, before-1, f.opened)
	third := openBulk(t, c, model)
	require.NoError(t, first.Close())
	for _, s := range []interface{ Mechanism() string }{second, third} {
		require.NotEmpty(t, s.Mechanism())
	}
	got, err := readRange(t, third, 0, block)
	require.NoError(t, err)
	require.Equal(t, files["b/"+model][:block], got)
	require.NoError(t, c.Close())
}
