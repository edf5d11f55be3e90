package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"expertfs/infer"
	"expertfs/infer/prefix"
	"expertfs/infer/sample"
	"expertfs/infer/tokenizer"

	"github.com/spf13/cobra"
)

// runOptions are the flags of run beside those of the model.
type runOptions struct {
	prompt, file, ids string
	special           bool
	max               int
	sampling          *samplingFlags
	ignoreEOS         bool
	json              bool
}

func newRunCommand() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run [--model DIR] [-p PROMPT | -f FILE | --ids FILE]",
		Short: "Continue a text",
		Long: `Run continues a text, as it stands: chat is the command for conversations. Without
one of -p, -f and --ids the text is read from standard input. What is generated
goes to standard output as it comes, a summary to standard error. On a terminal
what it would obey rather than show is replaced; other outputs get the bytes.
Ctrl-C ends the generation, a second one the program.

With --ids the prompt is token ids, no tokenizer is used, and nothing but -n and
the context ends the generation.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := noArgs(cmd, args); err != nil {
				return fmt.Errorf("%w: give the text with -p", err)
			}
			return nil
		},
	}
	model := addModelFlags(cmd)
	o.sampling = addSamplingFlags(cmd)
	flags := cmd.Flags()
	flags.StringVarP(&o.prompt, "prompt", "p", "", "the text to continue")
	flags.StringVarP(&o.file, "file", "f", "", "file with the text to continue; - is standard input")
	flags.StringVar(&o.ids, "ids", "", "file of token ids separated by blanks, commas or newlines, or a JSON array of them; - is standard input")
	flags.BoolVar(&o.special, "special", false, "read the names of special tokens in the text, such as <|start|>, as these tokens")
	flags.IntVarP(&o.max, "predict", "n", -1, "most tokens to generate (-1: until the model ends the text or the context is full)")
	flags.BoolVar(&o.ignoreEOS, "ignore-eos", false, "go on when the model ends the text")
	flags.BoolVar(&o.json, "json", false, "print one JSON object at the end instead of text")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return o.run(cmd, model) }
	return cmd
}

// run checks the flags and reads the prompt, and then loads the model and runs it.
func (o *runOptions) run(cmd *cobra.Command, model *modelFlags) (err error) {
	if err := o.source(cmd); err != nil {
		return err
	}
	if err := o.sampling.check(); err != nil {
		return err
	}
	if err := model.prepare(); err != nil {
		return err
	}
	warnOfIdle(cmd, o.needs(), o.sampling.needs(), model.prefix.needs())
	r := &runner{runOptions: *o, dir: model.dir, in: cmd.InOrStdin(), out: cmd.OutOrStdout(), log: cmd.ErrOrStderr()}
	r.look = lookOf(r.out)
	if err := r.prepare(); err != nil {
		return err
	}
	if r.ids != "" {
		if err := model.checkIDs(r.input); err != nil {
			return err
		}
	}
	if err := model.fits(len(r.input)); err != nil {
		return err
	}
	began := time.Now()
	if r.engine, err = model.open(); err != nil {
		return err
	}
	r.loaded = time.Since(began)
	defer func() { err = errors.Join(err, closePrefixes(r.store), r.engine.Close()) }()
	if r.store, err = model.prefix.open(r.engine, baseName(r.dir), -1, quietLog(cmd)); err != nil {
		return err
	}
	return explainLoss(r.dir, r.run(cmd.Context()))
}

// source checks where the text comes from: one of three flags, or else standard
// input, unless that is a terminal.
func (o *runOptions) source(cmd *cobra.Command) error {
	given := 0
	for _, name := range []string{"prompt", "file", "ids"} {
		if flag := cmd.Flags().Lookup(name); flag.Changed {
			given++
			if flag.Value.String() == "" {
				return usageErrorf("the value of --%s is empty", name)
			}
		}
	}
	if given > 1 {
		return usageErrorf("give only one of --prompt, --file and --ids")
	}
	if given == 0 {
		if terminal(cmd.InOrStdin()) != nil {
			return usageErrorf("give the text by --prompt, --file or --ids, or on standard input")
		}
		o.file = "-"
	}
	return nil
}

// runner carries one run from its prompt to its summary.
type runner struct {
	runOptions
	dir     string // of the model
	engine  *infer.Engine
	store   *prefix.Store // of what was computed; may be nil
	in      io.Reader
	out     io.Writer
	look    look // of out
	log     io.Writer
	tokens  *tokenizer.Tokenizer // nil with --ids
	input   []int
	sampler *sample.Sampler
	loaded  time.Duration
}

// prepare checks the flags and reads the prompt, before the model is loaded.
func (r *runner) prepare() error {
	if r.max < -1 {
		return usageErrorf("--predict %d: give a number of tokens, or -1", r.max)
	}
	var err error
	if r.sampler, err = r.sampling.sampler(); err != nil {
		return err
	}
	if r.ids != "" {
		r.input, err = readIDs(r.ids, r.in)
		return err
	}
	return r.encode()
}

// encode turns the text into ids.
func (r *runner) encode() (err error) {
	text := r.prompt
	if r.file != "" {
		if text, err = readText(r.file, r.in); err != nil {
			return err
		}
	}
	if r.tokens, err = loadTokenizer(r.dir); err != nil {
		return err
	}
	if r.special {
		r.input = r.tokens.EncodeSpecial(text)
	} else {
		r.input = r.tokens.Encode(text)
	}
	if len(r.input) == 0 {
		return errors.New("the text is empty: there is nothing to continue")
	}
	return nil
}

// readText returns what the file of --file has, or standard input if path is "-".
func readText(path string, stdin io.Reader) (string, error) {
	var data []byte
	var err error
	if path == "-" {
		data, err = io.ReadAll(stdin)
	} else {
		data, err = os.ReadFile(path)
	}
	if err != nil {
		err = fmt.Errorf("--file: %w", err)
	}
	return string(data), err
}

// run reads the prompt and generates.
func (r *runner) run(ctx context.Context) error {
	ctx, stop := interruptible(ctx)
	defer stop()

	before, err := readDriveStats(r.dir)
	if err != nil {
		return err
	}
	s := r.engine.NewSession()
	t := timings{loaded: r.loaded, began: time.Now()}
	known := prefix.NewText(r.store, s)
	defer known.Keep()
	t.reused = known.Begin(ctx, r.input, len(r.input)-1)
	t.promptTokens = len(r.input) - t.reused
	if err := s.Append(ctx, r.input[t.reused:], nil); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("%w while reading the prompt", errInterrupted)
		}
		return err
	}
	t.promptDone = time.Now()
	t.atPrompt = r.engine.Stats()

	text := &textOutput{r: r}
	ids, finish, err := s.Generate(ctx, r.generation(text))
	text.end()
	if err != nil {
		return err
	}
	t.done, t.generated = time.Now(), len(ids)
	t.atEnd = r.engine.Stats()
	after, err := readDriveStats(r.dir)
	if err != nil {
		return err
	}
	t.drive = after.sub(before)
	if r.json {
		err = r.report(ids, text.all.String(), finish, &t)
	} else {
		t.summary(r.log, r.notes(finish, len(ids))...)
		err = text.err
	}
	if err == nil && finish == infer.FinishCancelled {
		err = errInterrupted
	}
	return err
}

// notes say why the generation ended after n tokens, and how to have the same
// text again.
func (r *runner) notes(finish infer.Finish, n int) []string {
	notes := []string{string(finish)}
	if contextFull(finish, n, r.max) {
		notes[0] = fmt.Sprintf("the context of %d tokens is full", r.engine.Context())
	}
	if r.sampling.random() {
		notes = append(notes, fmt.Sprintf("seed %d", r.sampling.seed))
	}
	return notes
}

// contextFull tells whether a generation of n tokens, of most at most or any
// number if that is negative, ended for want of room in the context.
func contextFull(finish infer.Finish, n, most int) bool {
	return finish == infer.FinishLength && (most < 0 || n < most)
}

// generation is what the flags ask for.
func (r *runner) generation(text *textOutput) infer.Generation {
	g := infer.Generation{Max: r.max, Sample: r.sampler.Sample, Emit: text.push}
	if r.tokens != nil {
		text.stream = r.tokens.NewStream()
		if !r.ignoreEOS {
			g.Stop = r.tokens.StopIDs()
		}
	}
	return g
}

// textOutput shows what is generated as it comes, or collects it for JSON.
type textOutput struct {
	r      *runner
	stream *tokenizer.Stream // nil: ids are shown
	all    strings.Builder
	err    error
}

// push takes one token; a reader that went away ends the generation.
func (o *textOutput) push(id int) bool {
	if o.stream != nil {
		o.show(o.stream.Push(id))
	} else {
		o.show(strconv.Itoa(id) + " ")
	}
	return o.err == nil
}

func (o *textOutput) end() {
	if o.stream != nil {
		o.show(o.stream.Flush())
	}
	if !o.r.json {
		o.show("\n")
	}
}

func (o *textOutput) show(piece string) {
	if o.r.json {
		o.all.WriteString(piece)
	} else if o.err == nil {
		_, o.err = io.WriteString(o.r.out, o.r.look.clean(piece))
	}
}

// report prints the JSON object.
func (r *runner) report(ids []int, text string, finish infer.Finish, t *timings) error {
	object := struct {
		IDs    []int        `json:"ids"`
		Text   *string      `json:"text,omitempty"`
		Finish infer.Finish `json:"finish_reason"`
		Seed   *int64       `json:"seed,omitempty"`
		Prompt int          `json:"prompt_tokens"`
		*timingFigures
	}{IDs: ids, Finish: finish, Prompt: len(r.input), timingFigures: t.figures()}
	if r.sampling.random() {
		object.Seed = &r.sampling.seed
	}
	if object.IDs == nil {
		object.IDs = []int{}
	}
	if r.tokens != nil {
		object.Text = &text
	}
	return json.NewEncoder(r.out).Encode(object)
}
