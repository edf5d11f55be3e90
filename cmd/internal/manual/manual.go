package manual

import (
	"errors"
	"io"
	"os"
	"time"

	"expertfs/cmd/internal/build"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// Command returns the hidden command "man DIR", which writes a page in section 1 for
// the program and for each of its commands. The pages' date is that of the commit
// that the program was built from, so that equal builds write equal pages.
func Command() *cobra.Command {
	var markdown bool
	cmd := &cobra.Command{
		Use:    "man DIR | man --markdown",
		Short:  "Write the manual pages into a folder, or print the flags of all commands in Markdown",
		Hidden: true,
		Args:   cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case markdown:
				_, err := io.WriteString(cmd.OutOrStdout(), Options(cmd.Root()))
				return err
			case len(args) == 0:
				return errors.New("give the folder that the manual pages go to")
			}
			return Write(cmd.Root(), args[0], build.Time())
		},
	}
	cmd.Flags().BoolVar(&markdown, "markdown", false, "print the flags of all commands")
	return cmd
}

// Write writes the pages of root and of all commands below it into dir. The scripts
// of completion have no page: their help says how a shell takes them.
func Write(root *cobra.Command, dir string, date time.Time) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root.DisableAutoGenTag = true
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			c.Hidden = true
		}
	}
	header := &doc.GenManHeader{Section: "1", Source: root.Name(), Manual: "expertfs", Date: &date}
	return doc.GenManTree(root, header, dir)
}
