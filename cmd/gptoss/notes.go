package main

import (
	"fmt"
	"io"

	"expertfs/cmd/internal/display"
	"expertfs/cmd/internal/usage"

	"github.com/spf13/cobra"
)

// note tells people what is no fault: out is where what is for them alone goes.
func note(out io.Writer, text string) {
	fmt.Fprintln(out, "gptoss: note:", display.Text(text))
}

// warnOfIdle tells of flags that were given and have no effect.
func warnOfIdle(cmd *cobra.Command, needs ...[]usage.Need) {
	for _, sentence := range idleFlags(cmd, needs...) {
		fmt.Fprintln(cmd.ErrOrStderr(), "gptoss: warning:", sentence)
	}
}

// idleFlags returns a sentence for each flag that was given and has no effect.
func idleFlags(cmd *cobra.Command, needs ...[]usage.Need) (sentences []string) {
	for _, table := range needs {
		sentences = append(sentences, usage.Idle(table, usage.OnCommandLine(cmd.Flags()))...)
	}
	return sentences
}
