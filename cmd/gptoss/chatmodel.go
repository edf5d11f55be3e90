package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"

	"expertfs/infer"
	"expertfs/infer/prefix"
	"expertfs/infer/tokenizer"
)

// chatModel is a model with its tokenizer. It answers one prompt after the other,
// and computes of each only what differs from those before.
type chatModel struct {
	name    string
	flags   *modelFlags
	tokens  *tokenizer.Tokenizer
	opening opening
	engine  *infer.Engine
	folder  os.FileInfo // what was the model's folder when it was loaded
	log     *slog.Logger
	store   *prefix.Store // of what was computed

	text *prefix.Text // of the last prompt
}

// openChatModel loads what the flags name, the weights last: they take longest.
func openChatModel(f *modelFlags, c *conversationFlags, log *slog.Logger) (*chatModel, error) {
	m, err := prepareChatModel(f, c, log)
	if err != nil {
		return nil, err
	}
	return m, m.load()
}

// prepareChatModel does what comes before load.
func prepareChatModel(f *modelFlags, c *conversationFlags, log *slog.Logger) (*chatModel, error) {
	if err := f.prepare(); err != nil {
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
	return &chatModel{name: f.dir, flags: f, tokens: tokens, opening: opening, log: log}, nil
}

// load loads the weights.
func (m *chatModel) load() (err error) {
	if m.folder, err = os.Stat(m.name); err != nil {
		return explainFolder(m.name, err)
	}
	if m.engine, err = m.flags.open(); err != nil {
		return err
	}
	start, ok := m.tokens.Special("<|start|>")
	if !ok {
		start = -1
	}
	if m.store, err = m.flags.prefix.open(m.engine, baseName(m.name), start, m.log); err != nil {
		return errors.Join(err, m.engine.Close())
	}
	m.text = prefix.NewText(m.store, m.engine.NewSession())
	return nil
}

func (m *chatModel) close() error {
	if m.engine == nil {
		return nil
	}
	return errors.Join(closePrefixes(m.store), m.engine.Close())
}

// Vocab is how many ids the model takes.
func (m *chatModel) Vocab() int { return m.engine.Config().Vocab }

// Context is the most tokens of a text.
func (m *chatModel) Context() int { return m.engine.Context() }

// complete continues prompt, which is not empty, as Session.Generate does. Before
// that it tells reading, unless that is nil, how many tokens of how many are read.
func (m *chatModel) complete(ctx context.Context, prompt []int, g infer.Generation, reading func(done, total int)) ([]int, infer.Finish, error) {
	session := m.text.Session()
	known := m.text.Begin(ctx, prompt, len(prompt)-1) // the logits after the last one are needed
	rest := prompt[known:]
	for piece := range slices.Chunk(rest, cmp.Or(m.flags.options.Batch, infer.DefaultBatch)) {
		if reading != nil {
			reading(session.Len()-known, len(rest))
		}
		if err := session.Append(ctx, piece, nil); err != nil {
			if ctx.Err() != nil {
				return nil, infer.FinishCancelled, nil
			}
			return nil, "", err
		}
	}
	defer m.text.Keep()
	return session.Generate(ctx, g)
}

// renewed closes m, whose weights are of no use any more, and returns the same
// model, still to be loaded from what its folder is now.
func (m *chatModel) renewed(close func() error) (*chatModel, error) {
	if err := m.checkFiles(); err != nil && !errors.Is(err, errRemounted) {
		return nil, err
	}
	tokens, err := loadTokenizer(m.name)
	if err != nil {
		return nil, err
	}
	if tokens.Size() != m.tokens.Size() {
		return nil, fmt.Errorf("%s holds another model now: start anew", m.name)
	}
	if err := close(); err != nil {
		return nil, err
	}
	return &chatModel{name: m.name, flags: m.flags, tokens: m.tokens, opening: m.opening, log: m.log}, nil
}

// errRemounted says that the weights belong to a mount that is no more.
var errRemounted = errors.New("it was mounted anew since the model was loaded")

// Check tells whether the model's folder can still be read, and is the one that
// the model was loaded from.
func (m *chatModel) Check(ctx context.Context) error {
	checked := make(chan error, 1)
	go func() { checked <- m.checkFiles() }() // a mount may hang
	select {
	case err := <-checked:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%s does not answer", m.name)
	}
}

func (m *chatModel) checkFiles() error {
	now, err := os.Stat(m.name)
	if err != nil {
		return explainFolder(m.name, err)
	}
	if !os.SameFile(now, m.folder) {
		return fmt.Errorf("%s: %w", m.name, errRemounted)
	}
	return explainFolder(m.name, readable(m.name))
}
