package usage

import (
	"errors"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// colour is a value of a type that only its own parser knows.
type colour struct{}

func (colour) String() string   { return "" }
func (colour) Type() string     { return "colour" }
func (colour) Set(string) error { return errors.New("neither black nor white") }

func TestExplain(t *testing.T) {
	c := &cobra.Command{Use: "program"}
	f := c.Flags()
	f.IntP("threads", "t", 0, "")
	f.Int64("seed", 0, "")
	f.Uint16("port", 0, "")
	f.Uint64("dice", 0, "")
	f.Float64("temp", 0, "")
	f.Duration("grace", time.Second, "")
	f.Bool("strict", false, "")
	f.IntSlice("lengths", nil, "")
	f.Float64Slice("margins", nil, "")
	f.Var(colour{}, "colour", "")
	for _, tt := range []struct{ arg, want string }{
		{"--threads=x", `--threads "x": want a whole number`},
		{"-tx", `--threads "x": want a whole number`},
		{"--seed=99999999999999999999", `--seed "99999999999999999999": want a whole number`},
		{"--port=70000", `--port "70000": want a whole number from 0 to 65535`},
		{"--dice=-1", `--dice "-1": want a whole number from 0`},
		{"--temp=warm", `--temp "warm": want a number`},
		{"--grace=7", `--grace "7": want a time such as 500ms, 10s or 2m`},
		{"--strict=perhaps", `--strict "perhaps": want true or false`},
		{"--lengths=1,x", `--lengths "1,x": want whole numbers with commas between them`},
		{"--margins=1,x", `--margins "1,x": want numbers with commas between them`},
		{"--colour=red", `--colour "red": neither black nor white`},
		{"--colours=red", `unknown flag: --colours; program --help lists the flags`},
	} {
		require.EqualError(t, Explain(c, c.ParseFlags([]string{tt.arg})), tt.want)
	}
}

func TestCompletion(t *testing.T) {
	refused := errors.New("refused")
	run := func(args ...string) error {
		root := &cobra.Command{Use: "program", SilenceErrors: true, SilenceUsage: true}
		root.AddCommand(&cobra.Command{Use: "other", Run: func(*cobra.Command, []string) {}})
		completion(root, func(err error) error { return errors.Join(refused, err) })
		root.SetOut(t.Output())
		root.SetArgs(append([]string{"completion"}, args...))
		return root.Execute()
	}
	require.NoError(t, run())
	require.NoError(t, run("bash"))
	err := run("basil")
	require.ErrorIs(t, err, refused)
	require.ErrorContains(t, err, `there is no completion for "basil"; there are bash, fish, powershell, zsh`)
}
