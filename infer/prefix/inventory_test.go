package prefix

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestInventory(t *testing.T) {
	dir := t.TempDir()
	none, err := TakeInventory(filepath.Join(dir, "none"))
	require.NoError(t, err)
	require.Empty(t, none)

	ids, branch := count(0, 100), append(count(0, 36), count(500, 50)...)
	s := openStore(t, dir, nil)
	keep(s, ids, 30, 36, 60)
	keep(s, branch, 80)
	keep(s, count(7000, 20), 20)
	require.NoError(t, s.Close(context.Background()))
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, fileName(&segment{to: 5})), []byte("torn"), 0o600))

	all, err := TakeInventory(dir)
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Equal(t, "test", all[0].Name)
	texts := all[0].Texts
	require.Len(t, texts, 3)
	require.Equal(t, []int{20, 80, 60}, []int{texts[0].Tokens, texts[1].Tokens, texts[2].Tokens})
	require.Equal(t, branch[:80], texts[1].IDs(1000))
	require.Equal(t, ids[:7], texts[2].IDs(7))
	bytes, n, err := Usage(dir)
	require.NoError(t, err)
	require.Equal(t, 6, n)
	require.Equal(t, all[0].Bytes, bytes)

	require.NoError(t, texts[1].Remove())
	require.NoError(t, texts[1].Remove(), "what the others share stays")
	s = openStore(t, dir, nil)
	requireText(t, s, branch, 36)
	requireText(t, s, ids, 60)
	require.NoError(t, texts[2].Remove())
	requireText(t, openStore(t, dir, nil), ids, 0)
	requireText(t, openStore(t, dir, nil), count(7000, 20), 20)
	require.NoError(t, all[0].Remove())
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestRemovingWhatIsLeft: what a process that was killed was writing goes with the rest,
// and what gptoss has not written stays.
func TestRemovingWhatIsLeft(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, nil)
	keep(s, count(0, 20), 20)
	require.NoError(t, s.Close(context.Background()))
	theirs := filepath.Join(s.dir, "notes.txt")
	for _, file := range []string{theirs, filepath.Join(s.dir, temporary+"a")} {
		require.NoError(t, os.WriteFile(file, nil, 0o600))
	}
	remove := func() error {
		all, err := TakeInventory(dir)
		require.NoError(t, err)
		require.Len(t, all, 1)
		return all[0].Remove()
	}
	require.ErrorContains(t, remove(), "notes.txt in it was not written by gptoss")
	left, err := os.ReadDir(s.dir)
	require.NoError(t, err)
	require.Len(t, left, 1)
	require.NoError(t, os.Remove(theirs))
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, temporary+"a"), nil, 0o600))
	require.NoError(t, remove())
	require.NoDirExists(t, s.dir)
}
