package manual

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Options describes the flags of all commands of root in Markdown: a heading and a
// table for each command that has any. Flags that hold for commands below stand with
// the command that has them.
func Options(root *cobra.Command) string {
	var b strings.Builder
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		if !c.IsAvailableCommand() || c.Name() == "completion" {
			return
		}
		var rows []string
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden && f.Name != "help" {
				rows = append(rows, row(f))
			}
		})
		if len(rows) > 0 {
			fmt.Fprintf(&b, "### %s\n\n| flag | default | what it does |\n| --- | --- | --- |\n%s\n", c.CommandPath(), strings.Join(rows, ""))
		}
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	for _, c := range root.Commands() {
		visit(c)
	}
	return b.String()
}

func row(f *pflag.Flag) string {
	kind, usage := pflag.UnquoteUsage(f)
	flag := strings.TrimSpace("--" + f.Name + " " + kind)
	if f.Shorthand != "" {
		flag = "-" + f.Shorthand + ", " + flag
	}
	value := ""
	if !slices.Contains([]string{"", "false", "[]", "0"}, f.DefValue) {
		value = "`" + f.DefValue + "`"
	}
	cell := strings.NewReplacer("|", `\|`, "\n", " ")
	return fmt.Sprintf("| `%s` | %s | %s |\n", cell.Replace(flag), value, cell.Replace(usage))
}
