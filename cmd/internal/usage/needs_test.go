package usage

import (
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

func TestIdle(t *testing.T) {
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	for _, name := range []string{"key", "size", "other"} {
		f.String(name, "", "")
	}
	require.NoError(t, f.Parse([]string{"--key=a", "--size=1"}))
	require.Equal(t, []string{"--key does nothing without --http", "--size does nothing without a cache"}, Idle([]Need{
		{"key", false, "--http"}, {"size", true, "a network"}, {"size", false, "a cache"}, {"size", false, "more"}, {"other", false, "all"},
	}, OnCommandLine(f)))
}
