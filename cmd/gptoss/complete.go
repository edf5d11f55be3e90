package main

import (
	"expertfs/cmd/internal/logs"
	"expertfs/cmd/internal/usage"

	"github.com/spf13/cobra"
)

// complete has shells offer values: args is the command line behind the program's name.
func complete(root *cobra.Command, args []string) {
	offers := map[string]cobra.CompletionFunc{
		"act":              usage.Words("f32", "bf16", "int8"),
		"dense":            usage.Words("bf16", "int8"),
		"kv":               usage.Words("f32", "bf16", "q8"),
		"prefetch":         usage.Words("auto", "on", "off"),
		"cpu-strict":       usage.Words("0", "1"),
		"reasoning-effort": usage.Words("low", "medium", "high"),
		"output":           usage.Words("md", "csv", "json", "jsonl"),
		"log-level":        usage.Words(logs.Levels()...),
		"log-format":       usage.Words(logs.Formats()...),
	}
	for _, name := range []string{"model", "prefix-dir"} {
		offers[name] = usage.Folders
	}
	for _, name := range []string{"file", "ids", "logits", "experts", "routing", "api-key-file", "tls-cert", "tls-key"} {
		offers[name] = usage.Files
	}
	usage.CompleteValues(root, args, offers)
	for _, c := range root.Commands() {
		if c.ValidArgsFunction == nil && c.Name() != "completion" && c.Name() != "help" && !c.HasSubCommands() {
			c.ValidArgsFunction = usage.Nothing // no argument of a command is a file
		}
	}
}
