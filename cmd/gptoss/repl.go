package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"expertfs/infer/harmony"

	"github.com/dustin/go-humanize/english"
)

// loop talks until the input ends or the user leaves.
func (c *chat) loop(ctx context.Context, in lineInput) error {
	c.signals.ask(true)
	defer c.signals.ask(false)
	leaving := false // Ctrl-C was the last that was typed
	for {
		text, err := readMessage(in)
		switch {
		case errors.Is(err, io.EOF):
			fmt.Fprintln(c.out)
			return nil
		case errors.Is(err, errInterrupted):
			if text != "" {
				continue
			}
			if leaving {
				return nil
			}
			leaving = true
			fmt.Fprintln(c.notes, "(Ctrl-C once more ends the chat, as does Ctrl-D)")
			continue
		case err != nil:
			return err
		}
		leaving = false
		switch {
		case text == "":
		case text == "/bye", text == "/exit", text == "/quit":
			return nil
		case strings.HasPrefix(text, "/") && !strings.Contains(text, "\n"):
			err = c.command(text)
		default:
			answering, done := c.signals.answering(ctx)
			err = c.say(answering, text)
			done()
		}
		switch {
		case errors.Is(err, errInterrupted):
			fmt.Fprintln(c.notes, "(stopped)")
		case err != nil:
			fmt.Fprintln(c.notes, "error:", shown(err.Error()))
		}
	}
}

// readMessage reads a line, or all lines from a """ to the next. What was pasted may
// have several lines in one: its first keeps its indent. With errInterrupted comes
// what was given up.
func readMessage(in lineInput) (string, error) {
	line, err := in.readLine(">>> ")
	if err != nil {
		return line, err
	}
	whole := trimMessage(line)
	text, ok := strings.CutPrefix(whole, quotes)
	if !ok {
		return whole, nil
	}
	for {
		if inside, after, ok := strings.Cut(text, quotes); ok {
			if strings.TrimSpace(after) != "" { // the quotes are the text's own
				return quotes + text, nil
			}
			return strings.Trim(inside, "\n"), nil
		}
		if line, err = in.readLine("... "); err != nil {
			return text, err
		}
		text += "\n" + line
	}
}

// quotes stand around a message of several lines.
const quotes = `"""`

// trimMessage takes off what stands around a message: of one with several lines the
// indent of the first is its own.
func trimMessage(line string) string {
	whole := strings.TrimRight(strings.TrimLeft(line, "\n"), " \t\n")
	if !strings.Contains(whole, "\n") {
		whole = strings.TrimSpace(whole)
	}
	return whole
}

// openQuotes tells whether a message begins with quotes that are not ended yet.
func openQuotes(line string) bool {
	text, ok := strings.CutPrefix(trimMessage(line), quotes)
	return ok && !strings.Contains(text, quotes)
}

const chatHelp = `/set parameter NAME VALUE  temperature, top_k, top_p, min_p, seed or max_tokens
/set system TEXT           instructions for the model; none if TEXT is empty
/set effort LEVEL          low, medium or high
/reasoning                 show the model's reasoning, the last one too, or fold it
/set verbose on|off        show the speed after each answer, or not
/show                      show the settings
/clear                     forget the conversation
/save NAME                 save the conversation
/load [NAME]               go on with a saved one; without NAME list them
/bye, /exit or /quit       leave, as does Ctrl-D
Ctrl-C                     stop the answer
Alt-Enter                  begin another line of the message
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
		c.note("a new conversation")
		return nil
	case "/save":
		if rest == "" {
			return errors.New("give the chat a name: /save NAME")
		}
		err := c.save(rest)
		if err == nil {
			c.note("saved as %s: %s; /load %s goes on with it", rest, english.Plural(len(c.history), "message", ""), rest)
		}
		return err
	case "/load":
		if rest == "" {
			return c.listSaved()
		}
		err := c.load(rest)
		if err == nil {
			c.note("going on with %s: %s", rest, english.Plural(len(c.history), "message", ""))
		}
		return err
	case "/reasoning":
		return c.reasoning(cmp.Or(rest, onOff(!c.showThinking)))
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
		c.effort, onOff(c.showThinking), c.look.clean(cmp.Or(c.system, "none")), len(c.history))
	return err
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

// reasoning unfolds the reasoning, beginning with that of the last answer, or folds
// it.
func (c *chat) reasoning(value string) error {
	if err := c.set("thinking", value); err != nil {
		return err
	}
	if !c.showThinking {
		return nil
	}
	last := len(c.history)
	for last > 0 && c.history[last-1].Role == harmony.Assistant {
		last--
	}
	for _, m := range c.history[last:] {
		if m.Channel == harmony.Analysis && m.Recipient == "" {
			if _, err := fmt.Fprintln(c.out, c.look.dim(c.look.clean(m.Content))); err != nil {
				return err
			}
		}
	}
	return nil
}

// set changes a setting, or none if the value is not valid.
func (c *chat) set(what, value string) error {
	switch what {
	case "parameter":
		name, number, _ := strings.Cut(value, " ")
		return c.setParameter(name, strings.TrimSpace(number))
	case "system":
		c.system = strings.Trim(value, `"`)
		c.note("instructions: %s", cmp.Or(c.system, "none"))
		return nil
	case "effort":
		effort, err := harmony.ParseEffort(value)
		if err != nil {
			return fmt.Errorf("/set effort: %w", err)
		}
		c.effort = effort
		c.note("effort %s", effort)
		return nil
	case "thinking", "verbose":
		if value != "on" && value != "off" {
			return fmt.Errorf("/set %s takes on or off", what)
		}
		switch {
		case what == "verbose":
			c.verbose = value == "on"
			c.note("the speed is shown after each answer: %s", value)
		case value == "on":
			c.showThinking = true
			c.note("reasoning is shown")
		default:
			c.showThinking = false
			c.note("reasoning is folded")
		}
		return nil
	case "":
		return errors.New("give a setting, as in /set effort high: parameter, system, effort, thinking or verbose")
	}
	return fmt.Errorf("/set %s: there is no such setting; /? lists them", what)
}

// note tells what was done.
func (c *chat) note(format string, args ...any) {
	fmt.Fprintf(c.notes, "(%s)\n", shown(fmt.Sprintf(format, args...)))
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
	if errors.As(err, new(*strconv.NumError)) {
		err = errors.New("want a number")
	}
	if err != nil {
		return fmt.Errorf("%s %q: %w", name, value, err)
	}
	sampler, err := next.sampler()
	if err != nil {
		return err
	}
	*c.sampling, c.sampler, c.max = next, sampler, limit
	c.note("%s %s", name, value)
	return nil
}
