package usage

import (
	"fmt"

	"github.com/spf13/pflag"
)

// Need is a flag that does nothing unless something else is so.
type Need struct {
	Flag string
	Met  bool
	Want string // what it needs, as in "--http"
}

// Idle tells of each flag that was given and does nothing, once. Said returns how the
// user has said it, "" for a flag that was not given.
func Idle(needs []Need, said func(flag string) string) (warnings []string) {
	told := make(map[string]bool)
	for _, n := range needs {
		name := said(n.Flag)
		if n.Met || name == "" || told[n.Flag] {
			continue
		}
		told[n.Flag] = true
		warnings = append(warnings, fmt.Sprintf("%s does nothing without %s", name, n.Want))
	}
	return warnings
}

// OnCommandLine is the said of commands whose flags stand on the command line alone.
func OnCommandLine(flags *pflag.FlagSet) func(flag string) string {
	return func(flag string) string {
		if flags.Changed(flag) {
			return "--" + flag
		}
		return ""
	}
}
