package usage

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Explain returns what users are told of an error of the flags of c.
func Explain(c *cobra.Command, err error) error {
	var value *pflag.InvalidValueError
	var unknown *pflag.NotExistError
	switch {
	case errors.As(err, &value):
		return Value("--"+value.GetFlag().Name, value.GetValue(), value.GetFlag(), value.Unwrap())
	case errors.As(err, &unknown):
		return fmt.Errorf("%w; %s --help lists the flags", err, c.CommandPath())
	}
	return err
}

// allSet is how cobra names the flags that were given and exclude each other.
var allSet = regexp.MustCompile(`; \[(.*)\] were all set$`)

// explainGroup returns what users are told of an error of flags that exclude each other.
func explainGroup(err error) error {
	given := allSet.FindStringSubmatch(err.Error())
	if given == nil {
		return err
	}
	return fmt.Errorf("--%s exclude each other: give one", strings.ReplaceAll(given[1], " ", " and --"))
}

// Value complains of a value that flag, which users know as name, has not taken; err
// is what the parser said.
func Value(name, value string, flag *pflag.Flag, err error) error {
	if want, ok := kinds[flag.Value.Type()]; ok {
		return fmt.Errorf("%s %q: want %s", name, value, want)
	}
	return fmt.Errorf("%s %q: %w", name, value, err)
}

// kinds says what values of the types of flags are.
var kinds = map[string]string{
	"bool":         "true or false",
	"int":          "a whole number",
	"int64":        "a whole number",
	"uint16":       "a whole number from 0 to 65535",
	"uint64":       "a whole number from 0",
	"float64":      "a number",
	"duration":     "a time such as 500ms, 10s or 2m",
	"intSlice":     "whole numbers with commas between them",
	"float64Slice": "numbers with commas between them",
}

// help makes the help command of root, and has it refuse what there is no help on.
// Cobra's own succeeds whatever it is asked.
func help(root *cobra.Command, refuse func(error) error) {
	root.SetHelpCommand(&cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about any command",
		RunE: func(_ *cobra.Command, args []string) error {
			topic, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return refuse(fmt.Errorf("there is no help on %q; %s --help lists the commands", strings.Join(args, " "), root.Name()))
			}
			topic.InitDefaultHelpFlag()
			return topic.Help()
		},
	})
}

// completion makes the command that prints scripts for shells, and has it refuse
// other words. Cobra's own prints its help then, and succeeds.
func completion(root *cobra.Command, refuse func(error) error) {
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() != "completion" {
			continue
		}
		c.Args = cobra.ArbitraryArgs
		c.RunE = func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.Help()
			}
			return refuse(fmt.Errorf("there is no completion for %q; there are bash, fish, powershell, zsh", args[0]))
		}
	}
}
