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
