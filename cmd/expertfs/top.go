package main

import (
	"errors"
	"os"

	"expertfs/cmd/expertfs/internal/top"
	"expertfs/cmd/expertfs/internal/watch"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

func newTopCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "top [MOUNTPOINT]",
		Short: "Show a mount in the terminal while it works",
		Long: `Show where each expert of a mount is and each use of one as it happens, the hit
rate, what readers wait for, and who reads. The marks are those of the file
.expertfs/heatmap: bars are in RAM, letters on the drive, more ink is hotter.
Without MOUNTPOINT it is the only mount that this user can use.

Keys: q ends, p changes the policy, b the budget (what is written comes in place of
what is set; Esc leaves it), s the order of readers and of the list of experts, Tab
goes from the map to that list, Up, Down, PgUp, PgDn, Home and End move in either, ?
explains the marks.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := watched(args)
			if err != nil {
				return err
			}
			if !term.IsTerminal(int(os.Stdin.Fd())) || !term.IsTerminal(int(os.Stdout.Fd())) {
				return withCode(exitUsage, errors.New("top needs a terminal; expertfs status MOUNTPOINT prints the figures"))
			}
			point := watch.Point(m)
			return top.Run(cmd.Context(), point, point.Writable())
		},
	}
}
