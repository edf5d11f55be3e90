package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"expertfs/checkpoint"
	"expertfs/cmd/internal/logs"
	"expertfs/cmd/internal/usage"
	"expertfs/policy"

	"github.com/spf13/cobra"
)

// What an option needs, where several need the same.
const (
	needsNetwork = "a checkpoint on a network"
	needsCache   = "a cache, and --cache-dir none keeps none"
)

// needs are the options of a mount that do nothing without others. All are told of
// that were given in vain, by a flag, -o, or a configuration file.
func (c *mountConfig) needs() []usage.Need {
	network := checkpoint.OnNetwork(c.checkpoint)
	named := func(spec, want string) bool {
		name, _, _ := strings.Cut(policy.Resolve(spec), ":")
		return name == want
	}
	lots := slices.ContainsFunc(append([]string{c.policy}, c.shadows...), func(spec string) bool { return named(spec, "random") })
	return []usage.Need{
		{Flag: "http-key-file", Met: c.http != "", Want: "--http"},
		{Flag: "cache-dir", Met: network, Want: needsNetwork},
		{Flag: "cache-size", Met: network, Want: needsNetwork},
		{Flag: "cache-size", Met: c.cacheDir != cacheNone, Want: needsCache},
		{Flag: "plain-http", Met: network, Want: needsNetwork},
		{Flag: "seed", Met: lots, Want: "a policy that draws lots, which random alone does"},
		{Flag: "no-forecast", Met: named(c.policy, "forecast"), Want: "the policy forecast"},
		{Flag: "low", Met: c.high < 1, Want: "--high below 1"},
		{Flag: "log-format", Met: c.log.Format == logs.Auto || c.log.File != "" || c.foreground, Want: "--log-file or --foreground: syslog has a form of its own"},
	}
}

// warnOfIdle tells of flags of a command that do nothing.
func warnOfIdle(cmd *cobra.Command, needs ...usage.Need) {
	for _, w := range usage.Idle(needs, usage.OnCommandLine(cmd.Flags())) {
		fmt.Fprintln(os.Stderr, "expertfs: warning:", w)
	}
}

// plainHTTPNeeds is what --plain-http needs, of commands that have a checkpoint.
func plainHTTPNeeds(where string) usage.Need {
	return usage.Need{Flag: "plain-http", Met: checkpoint.OnNetwork(where), Want: needsNetwork}
}
