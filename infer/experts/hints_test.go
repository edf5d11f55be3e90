package experts

import (
	"os"
	"path/filepath"
	"testing"

	"expertfs"

	"github.com/stretchr/testify/require"
)

func TestHints(t *testing.T) {
	dir, names := t.TempDir(), expertfs.Names{Layers: 2, Experts: 101}
	none, err := openHints(dir, names)
	require.NoError(t, err)
	require.Nil(t, none, "a plain folder takes no hints")
	none.Step(0, []int{1})
	none.Touch(0, []int{1})
	none.Prefetch(0, []int{1})
	none.SendAhead()
	none.Flush()
	none.ForgetAhead()
	require.Nil(t, none.FlushLater())
	require.Zero(t, none.Lost())
	require.NoError(t, none.Close())

	path := filepath.Join(dir, expertfs.ControlPath(expertfs.HintsFile))
	require.NoError(t, os.Mkdir(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	h, err := openHints(dir, names)
	require.NoError(t, err)
	h.Step(1, []int{3, 100})
	h.Touch(1, []int{3})
	h.Touch(1, nil)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Empty(t, text, "lines are written together")
	h.Flush()
	h.Prefetch(0, []int{9})
	h.ForgetAhead()
	h.Step(1, []int{4})
	<-h.FlushLater()
	h.Prefetch(0, []int{7, 8})
	h.SendAhead()
	require.NoError(t, h.Close())
	text, err = os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "step 01/003 01/100\ntouch 01/003\nstep 01/004\nprefetch 00/007 00/008\n", string(text))
	h.Step(0, []int{1})
	h.Flush()
	require.Equal(t, 1, h.Lost(), "the file is closed")
}
