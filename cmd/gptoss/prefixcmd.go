package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"expertfs/cmd/internal/display"
	"expertfs/cmd/internal/usage"
	"expertfs/infer/prefix"
	"expertfs/infer/tokenizer"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"
)

func newPrefixCommand() *cobra.Command {
	f := prefixFlags{}
	cmd := &cobra.Command{
		Use:   "prefix ls|rm|stat",
		Short: "Show and remove stored prefixes of texts",
		Long: `Prefix shows what run, chat, serve and score have stored of the texts that they
computed, so that no beginning of a text is computed twice (docs/prefixes.md).`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageErrorf("there is no gptoss prefix %s: give ls, rm or stat", args[0])
			}
			return cmd.Help()
		},
		Args: cobra.ArbitraryArgs,
	}
	cmd.PersistentFlags().StringVar(&f.dir, "prefix-dir", "auto", "the folder (auto: $"+prefixVariable+", or gptoss/prefixes in the user's cache folder)")
	cmd.AddCommand(newPrefixListCommand(&f), newPrefixRemoveCommand(&f), newPrefixStatCommand(&f))
	return cmd
}

// inventory reads the folder that the flags name.
func (f *prefixFlags) inventory() (string, []prefix.Inventory, error) {
	dir, err := f.folder()
	if err != nil {
		return "", nil, err
	}
	if dir == "" {
		return "", nil, usageErrorf("--prefix-dir names no folder")
	}
	all, err := prefix.TakeInventory(dir)
	return dir, all, err
}

func newPrefixListCommand(f *prefixFlags) *cobra.Command {
	var model string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ls [--model DIR]",
		Short: "List the stored texts, those used last first",
		Long: `Ls lists the stored texts. Bytes are those that no other text has too. With
--model it shows how texts of models with the same vocabulary begin.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, all, err := f.inventory()
			if err != nil {
				return err
			}
			warnOfIdle(cmd, []usage.Need{{Flag: "model", Met: !asJSON, Want: "texts to show: --json has tokens"}})
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(all)
			}
			var tokens *tokenizer.Tokenizer
			if model != "" {
				if tokens, err = loadTokenizer(model); err != nil {
					return err
				}
			}
			return listPrefixes(cmd.OutOrStdout(), all, tokens)
		},
	}
	cmd.Flags().StringVarP(&model, "model", "m", "", "model folder whose tokenizer shows the texts")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func listPrefixes(out io.Writer, all []prefix.Inventory, tokens *tokenizer.Tokenizer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tTOKENS\tBYTES\tUSED\tMODEL")
	for _, i := range all {
		for _, t := range i.Texts {
			fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s", t.ID[:12], t.Tokens, humanize.IBytes(uint64(t.Bytes)), humanize.Time(t.Used), modelWords(&i.Model))
			if tokens != nil {
				fmt.Fprintf(w, "\t%s", beginning(&t, tokens))
			}
			fmt.Fprintln(w)
		}
	}
	return w.Flush()
}

// beginning is how a text begins, in one line; nothing if the vocabulary is not its.
func beginning(t *prefix.StoredText, tokens *tokenizer.Tokenizer) string {
	ids := t.IDs(24)
	for _, id := range ids {
		if id < 0 || id >= tokens.Size() {
			return ""
		}
	}
	return fmt.Sprintf("%.60q", tokens.Decode(ids))
}

// modelWords names a model and its precisions, as the folder has them: "gpt-oss-20b
// int8/int8/bf16".
func modelWords(m *prefix.Model) string {
	precisions := strings.Trim(strings.Join([]string{m.Act, m.Dense, m.KV}, "/"), "/")
	return display.Text(strings.TrimSpace(m.Name + " " + precisions))
}

func newPrefixRemoveCommand(f *prefixFlags) *cobra.Command {
	var everything bool
	cmd := &cobra.Command{
		Use:   "rm ID... | --all",
		Short: "Remove stored texts",
		Long: `Rm removes texts, named by their ids or the first letters of these. What other
texts have too stays. A process that runs finds out by itself.`,
		RunE: func(_ *cobra.Command, args []string) error {
			if everything != (len(args) == 0) {
				return usageErrorf("give the ids of texts, as gptoss prefix ls prints them, or --all")
			}
			_, all, err := f.inventory()
			if err != nil {
				return err
			}
			if everything {
				var failed []error
				for _, i := range all {
					failed = append(failed, i.Remove())
				}
				return errors.Join(failed...)
			}
			return removePrefixes(all, args)
		},
	}
	cmd.Flags().BoolVar(&everything, "all", false, "remove all texts of all models")
	return cmd
}

func removePrefixes(all []prefix.Inventory, ids []string) error {
	for _, id := range ids {
		if id == "" { // as of a variable that is not set: it would begin every id
			return usageErrorf("an id of a text is empty; gptoss prefix ls lists them")
		}
		var found []*prefix.StoredText
		for i := range all {
			for t := range all[i].Texts {
				if text := &all[i].Texts[t]; strings.HasPrefix(text.ID, id) {
					found = append(found, text)
				}
			}
		}
		switch {
		case len(found) == 0:
			return fmt.Errorf("no stored text has the id %s; gptoss prefix ls lists them", id)
		case len(found) > 1:
			return fmt.Errorf("%d stored texts have ids that begin with %s: give more of it", len(found), id)
		}
		if err := found[0].Remove(); err != nil {
			return err
		}
	}
	return nil
}

func newPrefixStatCommand(f *prefixFlags) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "stat",
		Short: "Show where prefixes are stored, and how much",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, all, err := f.inventory()
			if err != nil {
				return err
			}
			used, files, err := prefix.Usage(dir)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(struct {
					Folder string `json:"folder"`
					Bytes  int64  `json:"bytes"`
					Files  int    `json:"files"`
				}{dir, used, files})
			}
			w := &bytes.Buffer{}
			fmt.Fprintf(w, "folder  %s\nused    %s in %s\n", display.Text(dir), humanize.IBytes(uint64(used)), english.Plural(files, "file", ""))
			for _, i := range all {
				fmt.Fprintf(w, "model   %s: %s, %s, last used %s\n", modelWords(&i.Model), humanize.IBytes(uint64(i.Bytes)), english.Plural(len(i.Texts), "text", ""), lastUsed(&i))
			}
			_, err = w.WriteTo(cmd.OutOrStdout())
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func lastUsed(i *prefix.Inventory) string {
	var last time.Time
	for _, t := range i.Texts {
		if t.Used.After(last) {
			last = t.Used
		}
	}
	if last.IsZero() {
		return "never"
	}
	return humanize.Time(last)
}
