package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

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

// version describes this build: the module's version or the commit it was built
// from, and the toolchain.
func version() string {
	v := "(unknown build)"
	if info, ok := debug.ReadBuildInfo(); ok {
		v = info.Main.Version
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && v == "(devel)" {
				v = s.Value
			}
		}
	}
	return v + " " + runtime.Version()
}
