package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"expertfs/infer"
	"expertfs/infer/harmony"
	"expertfs/infer/sample"
)

func newChatCommand() *cobra.Command {
	c := &chat{}
	var effort string
	var again bool
	cmd := &cobra.Command{
		Use:   "chat --model DIR",
		Short: "Talk with the model",
		Long: `Chat asks for messages and shows the model's answers; /? in a chat lists its
commands. If standard input is not a terminal, all of it is one message, and
the answer goes to standard output. --continue goes on with the conversation that
was answered last.

The model's reasoning is hidden unless --show-thinking is given. Ctrl-C stops
an answer, a second one the program.`,
		Args: noArgs,
	}
	model := addModelFlags(cmd)
	c.sampling = addSamplingFlags(cmd)
	format := addConversationFlags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&c.system, "system", "", "instructions that the model is to follow")
	flags.StringVar(&effort, "reasoning-effort", string(harmony.Medium), "how much the model reasons: low, medium or high")
	flags.BoolVar(&c.showThinking, "show-thinking", false, "show the model's reasoning")
	flags.BoolVar(&again, "continue", false, "go on with the conversation that was answered last, with its instructions and effort")
	flags.BoolVarP(&c.verbose, "verbose", "v", false, "show the speed after each answer")
	flags.IntVarP(&c.max, "predict", "n", -1, "most tokens of an answer (-1: as many as the context holds)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if c.effort, err = harmony.ParseEffort(effort); err != nil {
			return usageError{err}
		}
		if c.max < -1 {
			return usageErrorf("--predict %d: give a number of tokens, or -1", c.max)
		}
		if c.sampler, err = c.sampling.sampler(); err != nil {
			return err
		}
		if again {
			system, chosen := c.system, c.effort
			if err := c.load(lastChat); err != nil {
				return err
			}
			if flags.Changed("system") {
				c.system = system
			}
			if flags.Changed("reasoning-effort") {
				c.effort = chosen
			}
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
		c.out, c.notes = cmd.OutOrStdout(), cmd.ErrOrStderr()
		if in := terminal(cmd.InOrStdin()); in != nil {
			return c.loop(cmd.Context(), newTerminalInput(in, os.Stdout))
		}
		return c.once(cmd.Context(), cmd.InOrStdin())
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
	return c.say(ctx, message)
}

// say sends a message and shows the answer. Both are added to the history,
// unless it fails otherwise than by errInterrupted.
func (c *chat) say(ctx context.Context, text string) error {
	asked := append(c.history[:len(c.history):len(c.history)],
		harmony.Message{Header: harmony.Header{Role: harmony.User}, Content: text})
	prompt, err := c.prompt(asked)
	if err != nil {
		return err
	}
	ctx, stop := interruptible(ctx)
	defer stop()

	a := &answer{parser: c.encoding.NewParser(), out: c.out, showThinking: c.showThinking}
	if f := terminal(c.notes); f != nil {
		a.screen = f
	}
	began, before := time.Now(), c.model.engine.Stats()
	ids, finish, err := c.model.complete(ctx, prompt, infer.Generation{
		Max: c.max, Stop: c.model.tokens.StopIDs(), Sample: c.sampler.Sample, Emit: a.push,
	})
	a.end()
	if err = errors.Join(err, a.err); err != nil {
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
		fmt.Fprintf(c.notes, "(%d tokens, the first after %.0f ms%s; experts: %d used, %d opened, %.0f ms waited for)\n",
			len(ids), ms(a.first.Sub(began)), then, used.Used, used.Opened, ms(used.Waited))
	}
	switch {
	case finish == infer.FinishCancelled:
		return errInterrupted
	case contextFull(finish, len(ids), c.max):
		fmt.Fprintf(c.notes, "(cut off: the context of %d tokens is full; /clear starts a new conversation)\n", c.model.engine.Context())
	case finish == infer.FinishLength:
		fmt.Fprintln(c.notes, "(cut off at the most tokens allowed)")
	case a.stray != nil:
		fmt.Fprintf(c.notes, "(ended: %v)\n", a.stray)
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

// answer shows the messages of the assistant as they come.
type answer struct {
	parser       *harmony.Parser
	out          io.Writer
	showThinking bool
	screen       io.Writer // a terminal, or nil

	first   time.Time // when the first token came
	waiting bool      // the screen says that there is hidden reasoning
	kind    string    // of the text shown last: thinking, an answer or a call
	midLine bool      // it did not end with a newline
	shown   bool      // something was an answer, or a call
	stray   error
	err     error // of out
}

// push takes a token and tells whether more is wanted.
func (a *answer) push(id int) bool {
	if a.first.IsZero() {
		a.first = time.Now()
	}
	text, err := a.parser.Push(id)
	a.stray = err
	a.show(text)
	// The words of others are not the model's to say.
	return a.err == nil && err == nil && (!a.parser.InContent() || a.parser.Header().Role == harmony.Assistant)
}

// end shows what was held back.
func (a *answer) end() {
	a.show(a.parser.Finish())
	a.wait(false)
	if a.midLine {
		a.write("\n")
	}
}

// show writes text of the current message, if it is for the user to see.
func (a *answer) show(text string) {
	h := a.parser.Header()
	thinking := h.Channel == harmony.Analysis && h.Recipient == ""
	if text == "" || h.Role != harmony.Assistant {
		return
	}
	a.shown = a.shown || !thinking
	a.wait(thinking && !a.showThinking)
	if thinking && !a.showThinking {
		return
	}
	kind := "answer"
	if called := callee(h); called != "" {
		kind = "call of " + called
	} else if thinking {
		kind = "thinking"
	}
	if kind != cmp.Or(a.kind, "answer") {
		if a.midLine {
			a.write("\n")
		}
		a.write("(" + kind + ")\n")
	}
	a.kind = kind
	a.write(text)
}

// callee is the tool that a message calls, or nothing. The channel final is for
// the user, whoever is named.
func callee(h harmony.Header) string {
	if h.Channel == harmony.Final {
		return ""
	}
	return harmony.FunctionName(h.Recipient)
}

// wait puts a word on the screen while there is nothing else to see.
func (a *answer) wait(waiting bool) {
	if a.screen == nil || waiting == a.waiting {
		return
	}
	a.waiting = waiting
	if waiting {
		fmt.Fprint(a.screen, "thinking...")
	} else {
		fmt.Fprint(a.screen, "\r\x1b[K") // erases the line
	}
}

func (a *answer) write(text string) {
	a.midLine = !strings.HasSuffix(text, "\n")
	if a.err == nil {
		_, a.err = io.WriteString(a.out, text)
	}
}
