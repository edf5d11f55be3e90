package main

import (
	"encoding/json"
	"io"
)

// printJSON writes v as every command with --json does.
func printJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
