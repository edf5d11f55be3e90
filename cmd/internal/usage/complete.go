package usage

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// What shells offer for a value.
var (
	Files   = cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault)
	Folders = cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs)
	Nothing = cobra.NoFileCompletions
)

// Words offers some words.
func Words(words ...string) cobra.CompletionFunc {
	return cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
}

// CompleteValues has shells offer values of the flags of root and of all commands
// below it: what offers has for the name of a flag; else files and folders, where that
// is what the flag wants by the kind in its description; else nothing. Where args, the
// command line behind the program's name, is a shell's question, descriptions lose the
// marks around their kind, which are for help alone.
func CompleteValues(root *cobra.Command, args []string, offers map[string]cobra.CompletionFunc) {
	asked := len(args) > 0 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd)
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		seen := func(f *pflag.Flag) {
			if f.NoOptDefVal == "" {
				_ = c.RegisterFlagCompletionFunc(f.Name, offer(f, offers)) // what is registered already stays
			}
			if asked {
				_, f.Usage = pflag.UnquoteUsage(f)
			}
		}
		c.NonInheritedFlags().VisitAll(seen)
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit(root)
}

// offer finds what to offer for a flag.
func offer(f *pflag.Flag, offers map[string]cobra.CompletionFunc) cobra.CompletionFunc {
	if found, ok := offers[f.Name]; ok {
		return found
	}
	switch kind, _ := pflag.UnquoteUsage(f); kind {
	case "FILE":
		return Files
	case "DIR", "FOLDER":
		return Folders
	}
	return Nothing
}

// List offers words of a list whose parts are separated by commas, each word once. The
// shell puts no blank behind them.
func List(words ...string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		before := begun[:strings.LastIndexByte(begun, ',')+1]
		given := strings.Split(before, ",")
		var all []cobra.Completion
		for _, w := range words {
			if !slices.Contains(given, w) {
				all = append(all, before+w)
			}
		}
		return all, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}
