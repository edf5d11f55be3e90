package main

import (
	"expertfs"
	"expertfs/checkpoint/config"
	"expertfs/cmd/internal/logs"
	"expertfs/cmd/internal/usage"
	"expertfs/policy"
	"expertfs/policy/replay"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// complete has shells offer values: args is the command line behind the program's name.
func complete(root *cobra.Command, args []string) {
	var c mountConfig
	var options []string
	c.declare().listed.VisitAll(func(f *pflag.Flag) {
		switch {
		case f.Hidden:
		case isSwitch(f):
			options = append(options, f.Name)
		default:
			options = append(options, f.Name+"=")
		}
	})
	policies := policy.Names()
	usage.CompleteValues(root, args, map[string]cobra.CompletionFunc{
		"policy":     usage.Words(append(policies, "default", "all", replay.Belady)...),
		"shadow":     usage.Words(policies...),
		"ram":        usage.Words("auto"),
		"dense":      usage.Words(denseAuto),
		"preset":     usage.Words(config.Presets()...),
		"layout":     usage.Words("openai", "huggingface"),
		"log-level":  usage.Words(logs.Levels()...),
		"log-format": usage.Words(logs.Formats()...),
		"options":    usage.List(options...),
	})
	for _, c := range root.Commands() {
		switch c.Name() {
		case "mount":
			c.ValidArgsFunction = completeMount
		case "umount", "status", "top", "web", "bench", "warm":
			c.ValidArgsFunction = completeMounts
		case "synth":
			c.ValidArgsFunction = usage.Folders
		case "version", "exit-codes":
			c.ValidArgsFunction = usage.Nothing
		}
	}
}

// completeMount offers files for the checkpoint, and folders to mount on.
func completeMount(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		return nil, cobra.ShellCompDirectiveDefault
	case 1:
		return nil, cobra.ShellCompDirectiveFilterDirs
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// completeMounts offers what is mounted, where one more may be named.
func completeMounts(c *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 && c.Name() != "umount" {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	points, err := expertfs.Mounts() // dead ones too: they are umounted, and explained
	if err != nil || len(points) == 0 {
		return nil, cobra.ShellCompDirectiveFilterDirs
	}
	return points, cobra.ShellCompDirectiveNoFileComp
}
