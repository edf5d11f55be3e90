// Command expertfs mounts a GPT-OSS checkpoint as a filesystem in which every
// expert is a file, and carries the tools around such a mount.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func main() {
	root := &cobra.Command{
		Use:           "expertfs",
		Short:         "Mount a GPT-OSS checkpoint: every expert is a file",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(commands()...)
	if err := root.Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "expertfs:", err)
		os.Exit(exitCode(err))
	}
}

// commands lists every subcommand; each is made in a file of its own name.
func commands() []*cobra.Command {
	return []*cobra.Command{}
}
