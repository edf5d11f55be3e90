package usage

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// Root makes the command of a program, below which its commands are. Refuse makes an
// error one of the command line. It is given all complaints about flags and arguments,
// and those about words that are no command, no topic of help and no shell.
func Root(name, short, version string, refuse func(error) error, commands []*cobra.Command) *cobra.Command {
	root := &cobra.Command{
		Use:           name,
		Short:         short,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return refuse(fmt.Errorf("unknown command %q; %s --help lists them", args[0], name))
			}
			return cmd.Help()
		},
	}
	root.SetVersionTemplate(name + " {{.Version}}\n")
	help(root, refuse)
	root.AddCommand(commands...)
	completion(root, refuse)
	refuseMisuse(root, refuse)
	return root
}

// refuseMisuse has refuse make the complaints of c, and of all commands below it, about
// their flags and arguments.
func refuseMisuse(c *cobra.Command, refuse func(error) error) {
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return refuse(Explain(c, err)) })
	check := c.Args
	if check == nil {
		check = cobra.ArbitraryArgs
	}
	c.Args = func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return refuse(fmt.Errorf("%w; usage: %s%s", err, c.CommandPath(), strings.TrimPrefix(c.Use, c.Name())))
		}
		// Cobra checks this later, where its error cannot be told from others.
		if err := c.ValidateFlagGroups(); err != nil {
			return refuse(explainGroup(err))
		}
		return nil
	}
	for _, sub := range c.Commands() {
		refuseMisuse(sub, refuse)
	}
}

// ExitCodes are the codes that a program ends with, in the order that help shows.
type ExitCodes []struct {
	Code    int
	Meaning string
}

// Topic makes the help topic that lists the codes of a program.
func (codes ExitCodes) Topic(program string) *cobra.Command {
	width := 0
	for _, c := range codes {
		width = max(width, len(strconv.Itoa(c.Code)))
	}
	var text strings.Builder
	fmt.Fprintf(&text, "Exit codes of %s:\n\n", program)
	for _, c := range codes {
		fmt.Fprintf(&text, "  %*d  %s\n", width, c.Code, c.Meaning)
	}
	return &cobra.Command{Use: "exit-codes", Short: "The exit codes and what they mean", Long: text.String()}
}
