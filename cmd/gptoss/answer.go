package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"expertfs/infer/harmony"

	"github.com/dustin/go-humanize/english"
)

// answer shows the messages of the assistant as they come. What cannot be seen yet
// the status line tells, if there is one.
type answer struct {
	parser       *harmony.Parser
	out          io.Writer
	look         look
	showThinking bool
	status       *statusLine // nil where nobody looks

	first   time.Time // when the first token came
	thought thought
	kind    string // of the text shown last: thinking, an answer or a call
	midLine bool   // it did not end with a newline
	shown   bool   // something was an answer, or a call
	stray   error
	err     error // of out
}

// thought is the reasoning that is folded and has not been told of yet.
type thought struct {
	began  time.Time
	tokens int
}

// reading tells how much of the prompt is read.
func (a *answer) reading(done, total int) {
	a.status.say(fmt.Sprintf("reading the prompt: %d of %d tokens", done, total))
}

// push takes a token and tells whether more is wanted.
func (a *answer) push(id int) bool {
	if a.first.IsZero() {
		a.first = time.Now()
		a.status.clear()
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
	a.fold()
	a.newLine()
}

// show writes text of the current message, if it is for the user to see.
func (a *answer) show(text string) {
	h := a.parser.Header()
	thinking := h.Channel == harmony.Analysis && h.Recipient == ""
	if text == "" || h.Role != harmony.Assistant {
		return
	}
	a.shown = a.shown || !thinking
	if thinking && !a.showThinking {
		if a.thought.tokens == 0 {
			a.thought.began = time.Now()
		}
		a.thought.tokens++
		a.status.say("thinking: " + english.Plural(a.thought.tokens, "token", ""))
		return
	}
	a.fold()
	kind := "answer"
	if called := callee(h); called != "" {
		kind = "call of " + a.look.clean(called)
	} else if thinking {
		kind = "thinking"
	}
	if kind != cmp.Or(a.kind, "answer") {
		a.newLine()
		if a.look != coloured || kind != "answer" && kind != "thinking" {
			a.write(a.look.dim("("+kind+")") + "\n")
		}
	}
	a.kind = kind
	text = a.look.clean(text)
	a.midLine = !strings.HasSuffix(text, "\n")
	if thinking {
		text = a.look.dim(text)
	}
	a.write(text)
}

// fold ends reasoning that is not shown; people are told of it.
func (a *answer) fold() {
	a.status.clear()
	if a.thought.tokens > 0 && a.look != piped {
		a.newLine()
		a.write(a.look.dim(fmt.Sprintf("(thought for %.1f s, %s; /reasoning shows it)",
			time.Since(a.thought.began).Seconds(), english.Plural(a.thought.tokens, "token", ""))) + "\n")
	}
	a.thought = thought{}
}

// callee is the tool that a message calls, or nothing. The channel final is for
// the user, whoever is named.
func callee(h harmony.Header) string {
	if h.Channel == harmony.Final {
		return ""
	}
	return harmony.FunctionName(h.Recipient)
}

// newLine ends the line that was begun.
func (a *answer) newLine() {
	if a.midLine {
		a.write("\n")
	}
	a.midLine = false
}

func (a *answer) write(text string) {
	if a.err == nil {
		_, a.err = io.WriteString(a.out, text)
	}
}
