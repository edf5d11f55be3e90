package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"expertfs/infer"
	"expertfs/infer/prefix"
	"expertfs/infer/tokenizer"
)

// chatModel is a model with its tokenizer. It answers one prompt after the other,
// and computes of each only what differs from those before. It is a
// server.Engine.
type chatModel struct {
	name    string
	flags   *modelFlags
	tokens  *tokenizer.Tokenizer
	opening opening
	engine  *infer.Engine
	folder  os.FileInfo // what was the model's folder when it was loaded
	most    int         // texts that are kept
	log     *slog.Logger
	store   *prefix.Store // of what was computed

	texts []*prefix.Text // the one in use comes first
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
	return &chatModel{name: f.dir, flags: f, tokens: tokens, opening: opening, most: 1, log: log}, nil
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
	m.texts = []*prefix.Text{m.newText()}
	return nil
}

func (m *chatModel) newText() *prefix.Text { return prefix.NewText(m.store, m.engine.NewSession()) }

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

// Prompt makes prompt the text, as server.Engine wants it.
func (m *chatModel) Prompt(ctx context.Context, prompt []int, each func(int, []float32)) (int, error) {
	t := m.take(prompt)
	most := len(prompt) - 1 // the logits after the last one are needed
	if each != nil {
		most = 0
	}
	same := t.Begin(prompt, most)
	return same, t.Session().Append(ctx, prompt[same:], each)
}

// take brings a text to the front that begins like prompt. Where only a small part
// of the text that is most alike would be left of it, the one not used for longest is
// given up in its place: a short question must not cost a long conversation.
func (m *chatModel) take(prompt []int) *prefix.Text {
	best, same := 0, -1
	for i, t := range m.texts {
		if n := common(t.Session().IDs(), prompt); n > same {
			best, same = i, n
		}
	}
	if same*2 < m.texts[best].Session().Len() {
		if len(m.texts) < m.most {
			m.texts = append(m.texts, m.newText())
		}
		best = len(m.texts) - 1
	}
	t := m.texts[best]
	m.texts = slices.Insert(slices.Delete(m.texts, best, best+1), 0, t)
	return t
}

// common is how many tokens a and b have in common at their beginning.
func common(a, b []int) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// Append adds ids to the text.
func (m *chatModel) Append(ctx context.Context, ids []int) error {
	return m.texts[0].Session().Append(ctx, ids, nil)
}

// Logits are the scores of the next token.
func (m *chatModel) Logits() []float32 { return m.texts[0].Session().Logits() }

// Keep stores the text: it is complete.
func (m *chatModel) Keep() { m.texts[0].Keep() }

// complete continues prompt, which is not empty, as Session.Generate does.
func (m *chatModel) complete(ctx context.Context, prompt []int, g infer.Generation) ([]int, infer.Finish, error) {
	if _, err := m.Prompt(ctx, prompt, nil); err != nil {
		if ctx.Err() != nil {
			return nil, infer.FinishCancelled, nil
		}
		return nil, "", err
	}
	defer m.Keep()
	return m.texts[0].Session().Generate(ctx, g)
}

// reopened closes m, whose weights are of no use any more, and returns the same
// model loaded from what its folder is now.
func (m *chatModel) reopened() (*chatModel, error) {
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
	if err := m.close(); err != nil {
		return nil, err
	}
	fresh := &chatModel{name: m.name, flags: m.flags, tokens: m.tokens, opening: m.opening, most: m.most, log: m.log}
	return fresh, fresh.load()
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
	// The kernel answers stat from its memory when a mount has died, but not open.
	f, err := os.Open(filepath.Join(m.name, "config.json"))
	if err != nil {
		return explainFolder(m.name, err)
	}
	return f.Close()
}
