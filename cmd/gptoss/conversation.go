package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"expertfs/infer"
	"expertfs/infer/harmony"
	"expertfs/infer/tokenizer"
)

// chatModel is a loaded model with its tokenizer. It answers one prompt after
// the other, and computes of each only what differs from the one before.
type chatModel struct {
	name    string
	engine  *infer.Engine
	tokens  *tokenizer.Tokenizer
	session *infer.Session
	held    []int // the tokens in session
}

// openChatModel loads what the flags name.
func openChatModel(f *modelFlags) (*chatModel, error) {
	engine, err := f.open()
	if err != nil {
		return nil, err
	}
	tokens, err := tokenizer.Load(f.dir)
	if err == nil && tokens.Size() > engine.Config().Vocab {
		err = fmt.Errorf("the vocabulary %s has %d tokens and the model only %d: it needs a tokenizer.json of its own",
			tokens.Name(), tokens.Size(), engine.Config().Vocab)
	}
	if err != nil {
		_ = engine.Close()
		return nil, err
	}
	return &chatModel{name: f.dir, engine: engine, tokens: tokens, session: engine.NewSession()}, nil
}

func (m *chatModel) close() error { return m.engine.Close() }

// complete continues prompt, which is not empty, as Session.Generate does.
func (m *chatModel) complete(ctx context.Context, prompt []int, g infer.Generation) ([]int, infer.Finish, error) {
	same := 0
	// The last token is always computed, because its logits are needed.
	for same < len(prompt)-1 && same < len(m.held) && prompt[same] == m.held[same] {
		same++
	}
	if !m.session.Truncate(same) {
		m.session.Reset()
		same = 0
	}
	err := m.session.Append(ctx, prompt[same:], nil)
	m.held = append([]int(nil), prompt[:m.session.Len()]...)
	if err != nil {
		if ctx.Err() != nil {
			return nil, infer.FinishCancelled, nil
		}
		return nil, "", err
	}
	ids, finish, err := m.session.Generate(ctx, g)
	m.held = append(m.held, ids...)[:m.session.Len()]
	return ids, finish, err
}

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

// opening returns what gives the messages that begin a conversation.
func (f *conversationFlags) opening(t *tokenizer.Tokenizer) (func(harmony.Effort) []harmony.Message, error) {
	start, _ := t.Special("<|start|>")
	switch {
	case f.systemMessage == "off", f.systemMessage == "auto" && start != startOfPublished:
		return func(harmony.Effort) []harmony.Message { return nil }, nil
	case f.systemMessage == "on", f.systemMessage == "auto":
		date, err := f.systemDate()
		return func(e harmony.Effort) []harmony.Message {
			return []harmony.Message{harmony.SystemMessage(e, date)}
		}, err
	}
	return nil, fmt.Errorf("--system-message %q is not on, off or auto", f.systemMessage)
}

func (f *conversationFlags) systemDate() (string, error) {
	switch f.date {
	case "none":
		return "", nil
	case "today":
		return time.Now().Format(time.DateOnly), nil
	}
	if _, err := time.Parse(time.DateOnly, f.date); err != nil {
		return "", fmt.Errorf("--date %q is not today, none or like 2006-01-02", f.date)
	}
	return f.date, nil
}
