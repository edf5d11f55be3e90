package experts

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"expertfs"

	"github.com/stretchr/testify/require"
)

func TestBudget(t *testing.T) {
	f := &folder{dir: t.TempDir()}
	_, mounted, err := f.budget()
	require.NoError(t, err)
	require.False(t, mounted)
	path := filepath.Join(f.dir, expertfs.ControlPath(expertfs.RAMFile))
	require.NoError(t, os.Mkdir(filepath.Dir(path), 0o755))
	for text, want := range map[string]int64{"64MiB\n": 64 << 20, "1234567": 1234567, "1.5GiB\n": 3 << 29} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		budget, mounted, err := f.budget()
		require.NoError(t, err)
		require.True(t, mounted)
		require.Equal(t, want, budget)
	}
	require.NoError(t, os.WriteFile(path, []byte("plenty"), 0o600))
	_, _, err = f.budget()
	require.ErrorContains(t, err, path)
}

func TestKeepBytes(t *testing.T) {
	const all, cycle = 1000, 100
	for budget, want := range map[int64]int64{
		5000: math.MaxInt64, 1000: math.MaxInt64, 999: 799, 750: 550, 749: 0, 50: 0,
	} {
		require.Equal(t, want, keepBytes(budget, all, cycle), "budget %d", budget)
	}
}
