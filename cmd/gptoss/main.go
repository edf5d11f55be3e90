// Command gptoss runs a GPT-OSS model from a folder in which every expert is a
// file: an expertfs mount, or a plain copy of one.
package main

import (
	"fmt"
	"io"
	"os"

	"expertfs/cmd/internal/build"
	"expertfs/cmd/internal/display"
	"expertfs/cmd/internal/manual"
	"expertfs/cmd/internal/usage"
	"expertfs/infer/kernel"

	"github.com/spf13/cobra"
)

func main() {
	err := kernel.Err()
	if err == nil {
		root := newRoot()
		complete(root, os.Args[1:])
		root.SetArgs(spellOut(os.Args[1:]))
		err = root.Execute()
	}
	if err != nil {
		complain(os.Stderr, err)
		os.Exit(exitCode(err))
	}
}

// complain tells what the program ends with. An error may name files and mounts of other
// users.
func complain(out io.Writer, err error) { fmt.Fprintln(out, "gptoss:", display.Text(err.Error())) }

func newRoot() *cobra.Command {
	refuse := func(err error) error { return usageError{err} }
	return usage.Root("gptoss", "Run a GPT-OSS model whose experts are files", build.Version(), refuse, commands())
}

// commands lists every subcommand; each is made in a file of its own name.
func commands() []*cobra.Command {
	return []*cobra.Command{
		newBenchCommand(),
		newRunCommand(),
		newScoreCommand(),
		newChatCommand(),
		newServeCommand(),
		newPrefixCommand(),
		newTokenizeCommand(),
		newVersionCommand(),
		exitMeanings.Topic("gptoss"),
		manual.Command(),
	}
}
