package expertfs_test

import (
	"testing"

	"expertfs"

	"github.com/stretchr/testify/require"
)

func TestLiveIsReadAsItIsWritten(t *testing.T) {
	l := expertfs.NewLive(expertfs.Names{Layers: 2, Experts: 3})
	*l.At(expertfs.NewKey(1, 2)) = expertfs.LiveExpert{Place: expertfs.InRAM, Uses: 120, Heat: 340}
	l.At(expertfs.NewKey(0, 1)).Place = expertfs.Loading
	text, err := l.AppendText(nil)
	require.NoError(t, err)
	require.Regexp(t, `^#.*\nd0:0 l0:0 d0:0\nd0:0 d0:0 r120:340\n$`, string(text))
	again, err := expertfs.ParseLive(string(text))
	require.NoError(t, err)
	require.Equal(t, l, again)
}

func TestLiveThatIsWrong(t *testing.T) {
	for _, bad := range []string{
		"", "#\n", "\n", "r1:1 r1:1\nr1:1\n", "r1\n", "r:1\n", "r1:\n", "r-1:1\n", "r1:1001\n", "r1:-1\n", "r1:1\n\n", "r\n", "é1:1\n",
	} {
		_, err := expertfs.ParseLive(bad)
		require.Error(t, err, "%q", bad)
	}
}

func FuzzLive(f *testing.F) {
	f.Add("# x\nr1:2 d3:4\na0:0 l9:1000\n")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := expertfs.ParseLive(text)
		if err != nil {
			return
		}
		written, err := l.AppendText(nil)
		require.NoError(t, err)
		again, err := expertfs.ParseLive(string(written))
		require.NoError(t, err)
		require.Equal(t, l, again)
	})
}
