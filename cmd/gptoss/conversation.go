package main

import (
	"time"

	"expertfs/infer/harmony"
	"expertfs/infer/tokenizer"

	"github.com/spf13/cobra"
)

// conversationFlags say how conversations are put to the model.
type conversationFlags struct {
	systemMessage string
	date          string
}

// addConversationFlags declares the flags on cmd.
func addConversationFlags(cmd *cobra.Command) *conversationFlags {
	f := &conversationFlags{}
	cmd.Flags().StringVar(&f.systemMessage, "system-message", "auto",
		"begin with the system message that the published models were trained on: on, off or auto (on for their vocabulary)")
	cmd.Flags().StringVar(&f.date, "date", "today", "date in the system message, as 2006-01-02; none leaves it out")
	return f
}

// startOfPublished is the id of <|start|> in the vocabulary of the published
// models. A model with another vocabulary was trained on other conversations.
const startOfPublished = 200006

// opening gives the messages that begin a conversation, for an effort; functions
// tells whether tools are offered.
type opening func(effort harmony.Effort, functions bool) []harmony.Message

// opening returns what gives the messages that begin a conversation.
func (f *conversationFlags) opening(t *tokenizer.Tokenizer) (opening, error) {
	if _, err := f.systemDate(); err != nil { // checked even where it is not shown
		return nil, err
	}
	start, _ := t.Special("<|start|>")
	switch {
	case f.systemMessage == "off", f.systemMessage == "auto" && start != startOfPublished:
		return func(harmony.Effort, bool) []harmony.Message { return nil }, nil
	case f.systemMessage == "on", f.systemMessage == "auto":
		return func(e harmony.Effort, functions bool) []harmony.Message {
			date, _ := f.systemDate() // today changes while a server runs
			return []harmony.Message{harmony.SystemContent{Effort: e, Date: date, Functions: functions}.Message()}
		}, nil
	}
	return nil, usageErrorf("--system-message %q is not on, off or auto", f.systemMessage)
}

func (f *conversationFlags) systemDate() (string, error) {
	switch f.date {
	case "none":
		return "", nil
	case "today":
		return time.Now().Format(time.DateOnly), nil
	}
	if _, err := time.Parse(time.DateOnly, f.date); err != nil {
		return "", usageErrorf("--date %q is not today, none or like 2006-01-02", f.date)
	}
	return f.date, nil
}
