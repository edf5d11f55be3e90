package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"expertfs/cmd/internal/build"

	"github.com/spf13/cobra"
)

func newVersionCommand() *cobra.Command {
	var verbose bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintln(cmd.OutOrStdout(), "expertfs", version())
			if info, ok := debug.ReadBuildInfo(); ok && verbose {
				fmt.Fprint(cmd.OutOrStdout(), info)
			}
		},
	}
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "print the modules and settings of the build as well")
	return cmd
}

// version describes this build and its toolchain.
func version() string { return build.Version() + " " + runtime.Version() }
