package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"expertfs/infer"
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

	texts []*keptText // the one in use comes first
}

// keptText is a text whose keys and values are there.
type keptText struct {
	session *infer.Session
	ids     []int // the tokens in session
}

// openChatModel loads what the flags name, the weights last: they take longest.
func openChatModel(f *modelFlags, c *conversationFlags) (*chatModel, error) {
	m, err := prepareChatModel(f, c)
	if err != nil {
		return nil, err
	}
	return m, m.load()
}

// prepareChatModel does what comes before load.
func prepareChatModel(f *modelFlags, c *conversationFlags) (*chatModel, error) {
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
	return &chatModel{name: f.dir, flags: f, tokens: tokens, opening: opening, most: 1}, nil
}

// load loads the weights.
func (m *chatModel) load() (err error) {
	if m.folder, err = os.Stat(m.name); err != nil {
		return explainFolder(m.name, err)
	}
	if m.engine, err = m.flags.open(); err != nil {
		return err
	}
	m.texts = []*keptText{{session: m.engine.NewSession()}}
	return nil
}

func (m *chatModel) close() error {
	if m.engine == nil {
		return nil
	}
	return m.engine.Close()
}

// Vocab is how many ids the model takes.
func (m *chatModel) Vocab() int { return m.engine.Config().Vocab }

// Context is the most tokens of a text.
func (m *chatModel) Context() int { return m.engine.Context() }

// Prompt makes prompt the text, as server.Engine wants it.
func (m *chatModel) Prompt(ctx context.Context, prompt []int, each func(int, []float32)) (int, error) {
	t, same := m.take(prompt)
	if each != nil {
		same = 0
	}
	if !t.session.Truncate(same) {
		t.session.Reset()
		same = 0
	}
	err := t.session.Append(ctx, prompt[same:], each)
	t.ids = append([]int(nil), prompt[:t.session.Len()]...)
	return same, err
}

// take brings a text to the front that begins like prompt, and tells how many of
// its tokens are of use. Where only a small part of the text that is most alike
// would be left of it, the one not used for longest is given up in its place:
// a short question must not cost a long conversation.
func (m *chatModel) take(prompt []int) (*keptText, int) {
	best, same := 0, -1
	for i, t := range m.texts {
		if n := t.common(prompt); n > same {
			best, same = i, n
		}
	}
	if same*2 < len(m.texts[best].ids) {
		if len(m.texts) < m.most {
			m.texts = append(m.texts, &keptText{session: m.engine.NewSession()})
		}
		best = len(m.texts) - 1
		same = m.texts[best].common(prompt)
	}
	t := m.texts[best]
	m.texts = slices.Insert(slices.Delete(m.texts, best, best+1), 0, t)
	return t, same
}

// common is how many tokens of prompt need not be computed. The last one always
// is, because its logits are needed.
func (t *keptText) common(prompt []int) int {
	n := 0
	for n < len(prompt)-1 && n < len(t.ids) && prompt[n] == t.ids[n] {
		n++
	}
	return n
}

// Append adds ids to the text.
func (m *chatModel) Append(ctx context.Context, ids []int) error {
	t := m.texts[0]
	before := t.session.Len()
	err := t.session.Append(ctx, ids, nil)
	t.ids = append(t.ids, ids[:t.session.Len()-before]...)
	return err
}

// Logits are the scores of the next token.
func (m *chatModel) Logits() []float32 { return m.texts[0].session.Logits() }

// complete continues prompt, which is not empty, as Session.Generate does.
func (m *chatModel) complete(ctx context.Context, prompt []int, g infer.Generation) ([]int, infer.Finish, error) {
	if _, err := m.Prompt(ctx, prompt, nil); err != nil {
		if ctx.Err() != nil {
			return nil, infer.FinishCancelled, nil
		}
		return nil, "", err
	}
	t := m.texts[0]
	ids, finish, err := t.session.Generate(ctx, g)
	t.ids = append(t.ids, ids...)[:t.session.Len()]
	return ids, finish, err
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
	fresh := &chatModel{name: m.name, flags: m.flags, tokens: m.tokens, opening: m.opening, most: m.most}
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
