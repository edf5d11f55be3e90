package usage

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// TestCompleteValues asks as a shell does.
func TestCompleteValues(t *testing.T) {
	ask := func(words ...string) string {
		args := append([]string{cobra.ShellCompRequestCmd}, words...)
		root := &cobra.Command{Use: "program", SilenceErrors: true, SilenceUsage: true}
		c := &cobra.Command{Use: "mount", Run: func(*cobra.Command, []string) {}}
		f := c.Flags()
		f.String("level", "", "`level` of the log")
		f.String("heat", "", "keep it in `FILE`")
		f.String("cache", "", "keep it in `DIR`")
		f.String("ram", "", "the `budget`")
		f.String("options", "", "a list")
		f.Bool("quick", false, "a switch")
		root.AddCommand(c)
		CompleteValues(root, args, map[string]cobra.CompletionFunc{"level": Words("debug", "info"), "options": List("ram=", "ro")})
		var out strings.Builder
		root.SetOut(&out)
		root.SetErr(t.Output())
		root.SetArgs(args)
		require.NoError(t, root.Execute())
		return out.String()
	}
	require.Equal(t, "debug\ninfo\n:4\n", ask("mount", "--level", ""))
	require.Equal(t, ":0\n", ask("mount", "--heat", ""), "files")
	require.Equal(t, ":16\n", ask("mount", "--cache", ""), "folders")
	require.Equal(t, ":4\n", ask("mount", "--ram", ""), "nothing, and no files")
	require.Equal(t, "ram=\nro\n:6\n", ask("mount", "--options", ""))
	require.Equal(t, "ro,ram=\n:6\n", ask("mount", "--options", "ro,"))
	flags := ask("mount", "--")
	require.Contains(t, flags, "--level\tlevel of the log\n")
	require.NotContains(t, flags, "`")
}
