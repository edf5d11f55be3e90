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
		Use:   "top MOUNTPOINT",
		Short: "Show a mount in the terminal while it works",
		Long: `Show where each expert of a mount is and each use of one as it happens, the hit
rate, what readers wait for, and who reads. The marks are those of the file
.expertfs/heatmap: bars are in RAM, letters on the drive, more ink is hotter.

Keys: q ends, p changes the policy, b the budget, s the order of readers and of the
list of experts, Tab goes from the map to that list, ? explains the marks.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := watched(args[0])
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
