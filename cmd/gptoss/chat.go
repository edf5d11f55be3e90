package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"expertfs/cmd/internal/build"
	"expertfs/cmd/internal/display"
	"expertfs/infer"
	"expertfs/infer/harmony"
	"expertfs/infer/sample"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newChatCommand() *cobra.Command {
	c := &chat{}
	var effort string
	var again bool
	cmd := &cobra.Command{
		Use:   "chat [--model DIR]",
		Short: "Talk with the model",
		Long: `Chat asks for messages and shows the model's answers; /help in a chat lists its
commands. Without --model it takes the expertfs mount that there is, if there is
one. If standard input is not a terminal, all of it is one message, and the answer
goes to standard output. --continue goes on with the conversation that was answered
last.

The model's reasoning is folded unless --show-thinking is given; /reasoning unfolds
it. Lines are edited with the keys of readline, and what was typed is there the next
time ($` + historyVariable + ` names the file; none keeps nothing). What is pasted is one
message. Ctrl-C stops an answer; at an empty prompt a second one ends the chat, as
does Ctrl-D.`,
		Args: noArgs,
	}
	model := addModelFlags(cmd)
	c.sampling = addSamplingFlags(cmd)
	format := addConversationFlags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&c.system, "system", "", "instructions that the model is to follow")
	flags.StringVar(&effort, "reasoning-effort", string(harmony.Medium), "how much the model reasons: low, medium or high")
	flags.BoolVar(&c.showThinking, "show-thinking", false, "show the model's reasoning unfolded")
	flags.BoolVar(&again, "continue", false, "go on with the conversation that was answered last, with its instructions and effort")
	flags.BoolVarP(&c.verbose, "verbose", "v", false, "show the speed after each answer")
	flags.IntVarP(&c.max, "predict", "n", -1, "most tokens of an answer (-1: as many as the context holds)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := c.prepare(effort); err != nil {
			return err
		}
		if again {
			if err := c.goOn(flags); err != nil {
				return err
			}
		}
		return c.run(cmd, model, format)
	}
	return cmd
}

// chat is a conversation and its settings.
type chat struct {
	model    *chatModel
	encoding *harmony.Encoding

	sampling     *samplingFlags
	sampler      *sample.Sampler
	system       string
	effort       harmony.Effort
	showThinking bool
	verbose      bool
	max          int

	history    []harmony.Message
	warned     bool      // that conversations cannot be saved
	out, notes io.Writer // answers; everything else
	look       look      // of out
	signals    *chatSignals
}

// prepare checks the flags, and makes of them what the chat uses.
func (c *chat) prepare(effort string) (err error) {
	if c.effort, err = harmony.ParseEffort(effort); err != nil {
		return usageErrorf("--reasoning-effort: %w", err)
	}
	if c.max < -1 {
		return usageErrorf("--predict %d: give a number of tokens, or -1", c.max)
	}
	if err := c.sampling.check(); err != nil {
		return err
	}
	c.sampler, err = c.sampling.sampler()
	return err
}

// goOn loads the conversation that was answered last. Its instructions and effort hold,
// but for those that flags give.
func (c *chat) goOn(flags *pflag.FlagSet) error {
	system, effort := c.system, c.effort
	if err := c.load(lastChat); err != nil {
		return err
	}
	if flags.Changed("system") {
		c.system = system
	}
	if flags.Changed("reasoning-effort") {
		c.effort = effort
	}
	return nil
}

// run loads the model, and talks on a terminal, or answers what another input has.
func (c *chat) run(cmd *cobra.Command, model *modelFlags, format *conversationFlags) (err error) {
	c.out, c.notes = cmd.OutOrStdout(), cmd.ErrOrStderr()
	in := terminal(cmd.InOrStdin())
	var quiet *quietTerminal
	if in != nil {
		quiet = hush(in, c.out)
		defer quiet.restore()
		var end func()
		c.signals, end = watchChatSignals(quiet, c.notes)
		defer end()
	}
	m, err := openChatModel(model, format, quietLog(cmd))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	c.model = m
	if c.encoding, err = harmony.NewEncoding(m.tokens); err != nil {
		return err
	}
	warnOfIdle(cmd, c.sampling.needs(), model.prefix.needs(), format.needs(len(m.opening(c.effort, false)) > 0))
	if in == nil {
		return c.once(cmd.Context(), cmd.InOrStdin())
	}
	typed, err := openHistory(historyPath())
	if err != nil {
		fmt.Fprintln(c.notes, "note:", display.Text(err.Error()))
	}
	c.look = lookOf(c.out)
	c.greet(build.Version())
	return c.loop(cmd.Context(), newLineInput(in, quiet, c.out, c.notes, typed))
}

// once answers all of in as one message.
func (c *chat) once(ctx context.Context, in io.Reader) error {
	text, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	message := strings.TrimSpace(string(text))
	if message == "" {
		return errors.New("standard input is empty: there is no message to answer")
	}
	ctx, stop := interruptible(ctx)
	defer stop()
	return c.say(ctx, message)
}

// say sends a message and shows the answer, until ctx ends. Both are added to the
// history, unless it fails otherwise than by errInterrupted.
func (c *chat) say(ctx context.Context, text string) error {
	asked := append(c.history[:len(c.history):len(c.history)],
		harmony.Message{Header: harmony.Header{Role: harmony.User}, Content: text})
	prompt, err := c.prompt(asked)
	if err != nil {
		return err
	}
	a := &answer{parser: c.encoding.NewParser(), out: c.out, look: c.look, showThinking: c.showThinking}
	a.status = newStatusLine(c.notes)
	defer a.status.end()
	began, before := time.Now(), c.model.engine.Stats()
	ids, finish, err := c.model.complete(ctx, prompt, infer.Generation{
		Max: c.max, Stop: c.model.tokens.StopIDs(), Sample: c.sampler.Sample, Emit: a.push,
	}, a.reading)
	a.end()
	if err = errors.Join(explainLoss(c.model.name, err), a.err); err != nil {
		return err
	}
	c.history = append(asked, said(a.parser.Messages())...)
	c.remember()
	if c.verbose && len(ids) > 0 {
		used := c.model.engine.Stats().Sub(before)
		then := ""
		if more := len(ids) - 1; more > 0 {
			then = fmt.Sprintf(", then %.2f tokens/s", perSecond(more, time.Since(a.first)))
		}
		fmt.Fprintf(c.notes, "(%s, the first after %.0f ms%s; experts: %d used, %d opened, %.0f ms waited for)\n",
			english.Plural(len(ids), "token", ""), ms(a.first.Sub(began)), then, used.Used, used.Opened, ms(used.Waited))
	}
	switch {
	case finish == infer.FinishCancelled:
		return errInterrupted
	case contextFull(finish, len(ids), c.max):
		fmt.Fprintf(c.notes, "(cut off: the context of %d tokens is full; /clear starts a new conversation)\n", c.model.engine.Context())
	case finish == infer.FinishLength:
		fmt.Fprintln(c.notes, "(cut off at the most tokens allowed)")
	case a.stray != nil:
		fmt.Fprintf(c.notes, "(ended: %s)\n", shown(a.stray.Error()))
	case !a.shown:
		fmt.Fprintln(c.notes, "(the model ended without an answer)")
	}
	return nil
}

// said returns the messages of the assistant: a model may go on with words of
// others.
func said(messages []harmony.Message) []harmony.Message {
	return slices.DeleteFunc(slices.Clone(messages), func(m harmony.Message) bool { return m.Role != harmony.Assistant })
}

// prompt renders the conversation with its settings.
func (c *chat) prompt(messages []harmony.Message) ([]int, error) {
	all := c.model.opening(c.effort, false)
	if c.system != "" {
		all = append(all, harmony.DeveloperMessage(c.system))
	}
	ids, err := c.encoding.Prompt(append(all, messages...))
	if err != nil {
		return nil, err
	}
	if room := c.model.engine.Context(); len(ids) >= room {
		return nil, fmt.Errorf("the conversation has %d tokens and the context %d: start a new one with /clear, or raise --ctx-size", len(ids), room)
	}
	return ids, nil
}
