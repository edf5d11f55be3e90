package weights

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"expertfs/checkpoint/checkpointtest"

	"github.com/stretchr/testify/require"
)

func TestIdentity(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, checkpointtest.WriteTree(dir, "embed:tiny"))
	identity := func() [32]byte {
		f, err := Open(dir)
		require.NoError(t, err)
		sum, err := f.Identity()
		require.NoError(t, err)
		return sum
	}
	seen := map[[32]byte]string{identity(): "as it is"}
	require.Contains(t, seen, identity())
	other := func(what string) {
		require.NotContains(t, seen, identity(), what)
		seen[identity()] = what
	}

	for _, name := range []string{"layers/01/experts/00.safetensors", "layers/02/experts/07.safetensors"} { // a copy may get one of them anew
		expert := filepath.Join(dir, name)
		require.NoError(t, os.Chtimes(expert, time.Time{}, time.Unix(1, 0)))
		other("the time of " + name)
	}

	dense := filepath.Join(dir, "layers/01/dense.safetensors")
	info, err := os.Stat(dense)
	require.NoError(t, err)
	data, err := os.ReadFile(dense)
	require.NoError(t, err)
	data[len(data)-1]++
	require.NoError(t, os.WriteFile(dense, data, 0o600))
	require.NoError(t, os.Chtimes(dense, time.Time{}, info.ModTime()))
	other("a weight")

	config := filepath.Join(dir, "config.json")
	text, err := os.ReadFile(config)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(config, []byte(`{"rms_norm_eps": 0.001,`+string(text[1:])), 0o600))
	other("the config")

	require.NoError(t, os.Remove(dense))
	f, err := Open(dir)
	require.NoError(t, err)
	_, err = f.Identity()
	require.ErrorIs(t, err, os.ErrNotExist)
}
