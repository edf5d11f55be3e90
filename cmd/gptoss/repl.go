package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/term"

	"expertfs/infer/harmony"
)

// terminal returns the terminal that an input or output is, or nil.
func terminal(stream any) *os.File {
	if f, ok := stream.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return f
	}
	return nil
}

// lineInput asks for lines. The error at the end of the input is io.EOF.
type lineInput interface {
	readLine(prompt string) (string, error)
}

// terminalInput edits lines on a terminal. Between lines the terminal is as it
// was, so that Ctrl-C sends its signal.
type terminalInput struct {
	fd   int
	edit *term.Terminal
}

func newTerminalInput(in *os.File, out *os.File) *terminalInput {
	screen := struct {
		io.Reader
		io.Writer
	}{in, out}
	return &terminalInput{fd: int(in.Fd()), edit: term.NewTerminal(screen, "")}
}

func (t *terminalInput) readLine(prompt string) (string, error) {
	before, err := term.MakeRaw(t.fd)
	if err != nil {
		return "", err
	}
	defer func() { _ = term.Restore(t.fd, before) }()
	if width, height, err := term.GetSize(t.fd); err == nil && width > 0 {
		_ = t.edit.SetSize(width, height)
	}
	t.edit.SetPrompt(prompt)
	line, err := t.edit.ReadLine()
	if errors.Is(err, term.ErrPasteIndicator) {
		err = nil
	}
	return line, err
}

// loop talks until the input ends or the user leaves.
func (c *chat) loop(ctx context.Context, in lineInput) error {
	for {
		text, err := readMessage(in)
		if errors.Is(err, io.EOF) {
			fmt.Fprintln(c.out)
			return nil
		}
		if err != nil {
			return err
		}
		switch {
		case text == "":
		case text == "/bye", text == "/exit", text == "/quit":
			return nil
		case strings.HasPrefix(text, "/"):
			err = c.command(text)
		default:
			err = c.say(ctx, text)
		}
		switch {
		case errors.Is(err, errInterrupted):
			fmt.Fprintln(c.notes, "(stopped)")
		case err != nil:
			fmt.Fprintln(c.notes, "error:", err)
		}
	}
}

// readMessage reads a line, or all lines from a """ to the next.
func readMessage(in lineInput) (string, error) {
	line, err := in.readLine(">>> ")
	if err != nil {
		return "", err
	}
	const quotes = `"""`
	text, ok := strings.CutPrefix(strings.TrimSpace(line), quotes)
	if !ok {
		return strings.TrimSpace(line), nil
	}
	for {
		if inside, _, ok := strings.Cut(text, quotes); ok {
			return strings.Trim(inside, "\n"), nil
		}
		if line, err = in.readLine("... "); err != nil {
			return "", err
		}
		text += "\n" + line
	}
}

const chatHelp = `/set parameter NAME VALUE  temperature, top_k, top_p, min_p, seed or max_tokens
/set system TEXT           instructions for the model; none if TEXT is empty
/set effort LEVEL          low, medium or high
/set thinking on|off       show the model's reasoning, or not
/set verbose on|off        show the speed after each answer, or not
/show                      show the settings
/clear                     forget the conversation
/save NAME                 save the conversation
/load NAME                 go on with a saved one; last is the one that was answered last
/bye, /exit or /quit       leave, as does Ctrl-D
"""                        begins and ends a message of several lines
`

// command carries out a line that begins with a slash.
func (c *chat) command(line string) error {
	name, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimSpace(rest)
	switch name {
	case "/?", "/help":
		_, err := io.WriteString(c.out, chatHelp)
		return err
	case "/clear":
		c.history = nil
		return nil
	case "/save":
		return c.save(rest)
	case "/load":
		return c.load(rest)
	case "/show":
		return c.showSettings()
	case "/set":
		what, value, _ := strings.Cut(rest, " ")
		return c.set(what, strings.TrimSpace(value))
	}
	return fmt.Errorf("there is no command %s; /? lists them", name)
}

func (c *chat) showSettings() error {
	p := c.sampling.params
	_, err := fmt.Fprintf(c.out, "model        %s\ntemperature  %g\ntop_k        %d\ntop_p        %g\nmin_p        %g\nseed         %d\nmax_tokens   %d\n"+
		"effort       %s\nthinking     %s\nsystem       %s\nmessages     %d\n",
		c.model.name, p.Temp, p.TopK, p.TopP, p.MinP, p.Seed, c.max,
		c.effort, onOff(c.showThinking), cmp.Or(c.system, "none"), len(c.history))
	return err
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

// set changes a setting, or none if the value is not valid.
func (c *chat) set(what, value string) error {
	switch what {
	case "parameter":
		name, number, _ := strings.Cut(value, " ")
		return c.setParameter(name, strings.TrimSpace(number))
	case "system":
		c.system = strings.Trim(value, `"`)
		return nil
	case "effort":
		effort, err := harmony.ParseEffort(value)
		if err == nil {
			c.effort = effort
		}
		return err
	case "thinking", "verbose":
		if value != "on" && value != "off" {
			return fmt.Errorf("/set %s takes on or off", what)
		}
		if what == "thinking" {
			c.showThinking = value == "on"
		} else {
			c.verbose = value == "on"
		}
		return nil
	}
	return fmt.Errorf("/set %s: there is no such setting; /? lists them", what)
}

// setParameter changes how tokens are chosen. It starts the random choices
// anew from the seed.
func (c *chat) setParameter(name, value string) error {
	next, limit := *c.sampling, c.max
	var err error
	switch name {
	case "temperature":
		next.params.Temp, err = strconv.ParseFloat(value, 64)
	case "top_k":
		next.params.TopK, err = strconv.Atoi(value)
	case "top_p":
		next.params.TopP, err = strconv.ParseFloat(value, 64)
	case "min_p":
		next.params.MinP, err = strconv.ParseFloat(value, 64)
	case "seed":
		next.seed, err = strconv.ParseInt(value, 10, 64)
	case "max_tokens":
		limit, err = strconv.Atoi(value)
		if err == nil && limit < -1 {
			err = errors.New("give a number of tokens, or -1")
		}
	default:
		return fmt.Errorf("there is no parameter %q; /? lists them", name)
	}
	if err != nil {
		return fmt.Errorf("%s %q: %w", name, value, withoutParser(err))
	}
	sampler, err := next.sampler()
	if err != nil {
		return err
	}
	*c.sampling, c.sampler, c.max = next, sampler, limit
	return nil
}
