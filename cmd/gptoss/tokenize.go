package main

import (
	"fmt"
	"io"
	"strings"

	"expertfs/infer/tokenizer"

	"github.com/spf13/cobra"
)

// tokenizeOptions are the flags of tokenize.
type tokenizeOptions struct {
	model                  string
	decode, special, table bool
}

func newTokenizeCommand() *cobra.Command {
	var o tokenizeOptions
	cmd := &cobra.Command{
		Use:   "tokenize [--model DIR] [TEXT | --decode ID...]",
		Short: "Turn text into token ids, or back",
		Long: `Tokenize prints the token ids of a text, or with --decode the text of token ids.
Either comes from the arguments or else from standard input. Texts are taken
and given byte by byte, so that decoding gives back exactly what was encoded.

Without a model, or if it has no tokenizer.json, the vocabulary is that of the
published GPT-OSS models.`,
	}
	flags := cmd.Flags()
	flags.StringVarP(&o.model, "model", "m", "", "model folder whose tokenizer.json is used")
	flags.BoolVarP(&o.decode, "decode", "d", false, "turn ids into text")
	flags.BoolVar(&o.special, "special", false, "read the names of special tokens in the text, such as <|start|>, as these tokens")
	flags.BoolVar(&o.table, "table", false, "print a line for each token: its id and its text, quoted")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return o.run(cmd.InOrStdin(), cmd.OutOrStdout(), args)
	}
	return cmd
}

func (o *tokenizeOptions) run(in io.Reader, out io.Writer, args []string) error {
	if o.decode && o.special {
		return usageErrorf("--special is for text: it does not go with --decode")
	}
	tokens := tokenizer.O200kHarmony()
	if o.model != "" {
		var err error
		if tokens, err = loadTokenizer(o.model); err != nil {
			return err
		}
	}
	ids, err := o.ids(tokens, in, args)
	if err != nil {
		return err
	}
	switch {
	case o.table:
		return writeTable(out, tokens, ids)
	case o.decode:
		_, err = io.WriteString(out, tokens.Decode(ids))
		return err
	}
	_, err = fmt.Fprintln(out, strings.Trim(fmt.Sprint(ids), "[]"))
	return err
}

// ids returns the tokens that the command is about.
func (o *tokenizeOptions) ids(tokens *tokenizer.Tokenizer, in io.Reader, args []string) ([]int, error) {
	if o.decode {
		if len(args) > 0 {
			in = strings.NewReader(strings.Join(args, " "))
		}
		ids, err := parseIDs(in)
		for _, id := range ids {
			if id >= tokens.Size() {
				return nil, fmt.Errorf("id %d is outside of the vocabulary (0 to %d)", id, tokens.Size()-1)
			}
		}
		return ids, err
	}
	if len(args) > 1 {
		return nil, usageErrorf("give the text as one argument, in quotes")
	}
	var text string
	if len(args) == 1 {
		text = args[0]
	} else {
		data, err := io.ReadAll(in)
		if err != nil {
			return nil, err
		}
		text = string(data)
	}
	if o.special {
		return tokens.EncodeSpecial(text), nil
	}
	return tokens.Encode(text), nil
}

func writeTable(out io.Writer, tokens *tokenizer.Tokenizer, ids []int) error {
	for _, id := range ids {
		if _, err := fmt.Fprintf(out, "%6d  %q\n", id, tokens.Bytes(id)); err != nil {
			return err
		}
	}
	return nil
}
