package main

import (
	"context"

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
	opening func(harmony.Effort) []harmony.Message // begins every conversation
	session *infer.Session
	held    []int // the tokens in session
}

// openChatModel loads what the flags name, the weights last: they take longest.
func openChatModel(f *modelFlags, c *conversationFlags) (*chatModel, error) {
	if err := checkFolder(f.dir); err != nil {
		return nil, err
	}
	tokens, err := loadTokenizer(f.dir)
	if err != nil {
		return nil, err
	}
	opening, err := c.opening(tokens)
	if err != nil {
		return nil, err
	}
	engine, err := f.open()
	if err != nil {
		return nil, err
	}
	return &chatModel{name: f.dir, engine: engine, tokens: tokens, opening: opening, session: engine.NewSession()}, nil
}

func (m *chatModel) close() error { return m.engine.Close() }

// Vocab is how many ids the model takes.
func (m *chatModel) Vocab() int { return m.engine.Config().Vocab }

// Context is the most tokens of a text.
func (m *chatModel) Context() int { return m.engine.Context() }

// Prompt makes prompt the text, as server.Engine wants it.
func (m *chatModel) Prompt(ctx context.Context, prompt []int, each func(int, []float32)) (int, error) {
	same := 0
	// The last token is always computed, because its logits are needed.
	for each == nil && same < len(prompt)-1 && same < len(m.held) && prompt[same] == m.held[same] {
		same++
	}
	if !m.session.Truncate(same) {
		m.session.Reset()
		same = 0
	}
	err := m.session.Append(ctx, prompt[same:], each)
	m.held = append([]int(nil), prompt[:m.session.Len()]...)
	return same, err
}

// Append adds ids to the text.
func (m *chatModel) Append(ctx context.Context, ids []int) error {
	before := m.session.Len()
	err := m.session.Append(ctx, ids, nil)
	m.held = append(m.held, ids[:m.session.Len()-before]...)
	return err
}

// Logits are the scores of the next token.
func (m *chatModel) Logits() []float32 { return m.session.Logits() }

// complete continues prompt, which is not empty, as Session.Generate does.
func (m *chatModel) complete(ctx context.Context, prompt []int, g infer.Generation) ([]int, infer.Finish, error) {
	if _, err := m.Prompt(ctx, prompt, nil); err != nil {
		if ctx.Err() != nil {
			return nil, infer.FinishCancelled, nil
		}
		return nil, "", err
	}
	ids, finish, err := m.session.Generate(ctx, g)
	m.held = append(m.held, ids...)[:m.session.Len()]
	return ids, finish, err
}
