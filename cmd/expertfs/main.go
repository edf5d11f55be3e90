// Command expertfs mounts a GPT-OSS checkpoint as a filesystem in which every
// expert is a file, and carries the tools around such a mount.
package main

import (
	"errors"
	"fmt"
	"os"

	"expertfs"
	"expertfs/cmd/internal/display"
	"expertfs/cmd/internal/manual"
	"expertfs/cmd/internal/usage"
	"expertfs/tiers/ram"

	"github.com/spf13/cobra"
)

func main() {
	ram.Helper()
	err := execute(os.Args)
	if err != nil && !errors.Is(err, errReported) {
		fmt.Fprintln(os.Stderr, "expertfs:", display.Text(err.Error()))
	}
	if err != nil {
		os.Exit(exitCode(err))
	}
}

// execute runs a command line, the program's name first.
func execute(args []string) error {
	refuse := func(err error) error { return withCode(exitUsage, err) }
	root := usage.Root("expertfs", "Mount a GPT-OSS checkpoint: every expert is a file", version(), refuse, commands())
	complete(root, args[1:])
	root.SetArgs(args[1:])
	if isMountHelper(args[0]) {
		helped, fake := mountHelperArgs(args[1:])
		if fake {
			return nil
		}
		root.SetArgs(helped)
	}
	return expertfs.ExplainDead("", root.Execute())
}

// commands lists every subcommand; each is made in a file of its own name.
func commands() []*cobra.Command {
	return []*cobra.Command{
		newMountCommand(),
		newWarmCommand(),
		newUmountCommand(),
		newStatusCommand(),
		newTopCommand(),
		newWebCommand(),
		newCheckCommand(),
		newPlanCommand(),
		newSynthCommand(),
		newReplayCommand(),
		newBenchCommand(),
		newVersionCommand(),
		exitMeanings.Topic("expertfs"),
		manual.Command(),
	}
}
