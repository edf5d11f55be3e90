package scripted

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"expertfs/infer/tokenizer"
)

// certainty is the logit of the token that the script has next; all others are 0.
const certainty = 50

// Engine says, after every prompt, the tokens of a script. After the script's end
// it says End for ever. Its fields are set before its first use.
type Engine struct {
	Tokens *tokenizer.Tokenizer
	// Say returns what follows a prompt, with the names of special tokens for these
	// tokens.
	Say      func(prompt []int) string
	Before   func(context.Context) error // called before each token that is appended; may be nil
	Room     int                         // the context, in tokens
	Err      error                       // in place of the token after the script
	Parallel int                         // texts at a time; 0: one

	texts   atomic.Int64 // in use
	prompts atomic.Int64 // asked for
	mu      sync.Mutex
	prompt  []int
}

// Text is a text of the engine, as package server has it.
type Text = interface {
	Append(ctx context.Context, ids []int) error
	Logits() []float32
	Close()
}

// text is a text in use.
type text struct {
	e       *Engine
	busy    atomic.Bool
	waiting bool // for its first Append
	script  []int
	logits  []float32
	high    int // index of the one logit that is not 0
}

// Says returns a script that is the same for all prompts.
func Says(text string) func([]int) string { return func([]int) string { return text } }

// What an engine says that is not used as it must be.
var (
	errBusy = errors.New("a text is used by two goroutines")
	errMany = errors.New("more texts at a time than there are slots")
)

// Vocab is the size of the vocabulary.
func (e *Engine) Vocab() int { return e.Tokens.Size() }

// Context is the most tokens of a text.
func (e *Engine) Context() int { return e.Room }

// Slots is how many texts there may be at a time.
func (e *Engine) Slots() int { return max(e.Parallel, 1) }

// Prompt begins the script.
func (e *Engine) Prompt(ctx context.Context, ids []int, most int, each func(int, []float32)) ([]Text, int, error) {
	if e.texts.Add(1) > int64(e.Slots()) {
		e.texts.Add(-1)
		return nil, 0, errMany
	}
	e.prompts.Add(1)
	e.mu.Lock()
	reused := 0
	for reused < len(ids)-1 && reused < len(e.prompt) && ids[reused] == e.prompt[reused] {
		reused++
	}
	e.prompt = slices.Clone(ids)
	script := e.Tokens.EncodeSpecial(e.Say(ids))
	e.mu.Unlock()
	t := &text{e: e, script: script}
	if each != nil {
		reused = 0
		for i := range ids {
			t.expect(append(ids[i+1:len(ids):len(ids)], t.script...))
			each(i, t.logits)
		}
	}
	if err := t.next(ctx); err != nil {
		t.Close()
		return nil, 0, err
	}
	texts := []Text{t}
	for len(texts) < most {
		other := &text{e: e, script: slices.Clone(script), waiting: true}
		other.expect(script)
		texts = append(texts, other)
	}
	return texts, reused, nil
}

// Close ends the use of the text.
func (t *text) Close() {
	if !t.waiting {
		t.e.texts.Add(-1)
	}
}

// Append goes on in the script when it is given what the script says, and leaves
// it where it is otherwise.
func (t *text) Append(ctx context.Context, ids []int) error {
	if !t.busy.CompareAndSwap(false, true) {
		return errBusy
	}
	defer t.busy.Store(false)
	if t.waiting {
		if t.waiting = false; t.e.texts.Add(1) > int64(t.e.Slots()) {
			return errMany
		}
	}
	for _, id := range ids {
		t.follow(id)
	}
	return t.next(ctx)
}

// follow goes on in the script by one token. A token that is the script's text cut
// otherwise counts too: what is forced on a model need not be cut as it would.
func (t *text) follow(id int) {
	tokens := t.e.Tokens
	if len(t.script) == 0 {
		return
	}
	if t.script[0] == id {
		t.script = t.script[1:]
		return
	}
	if _, special := tokens.SpecialName(id); special {
		return
	}
	said, given := "", tokens.Bytes(id)
	for n, next := range t.script {
		if _, special := tokens.SpecialName(next); special {
			return
		}
		said += tokens.Bytes(next)
		if rest, ok := strings.CutPrefix(said, given); ok {
			t.script = append(tokens.Encode(rest), t.script[n+1:]...)
			return
		}
		if !strings.HasPrefix(given, said) {
			return
		}
	}
}

func (t *text) next(ctx context.Context) error {
	if t.e.Before != nil {
		if err := t.e.Before(ctx); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(t.script) == 0 && t.e.Err != nil {
		return t.e.Err
	}
	t.expect(t.script)
	return nil
}

// expect makes the first of ids, or the end of a text, the most probable token.
func (t *text) expect(ids []int) {
	if t.logits == nil {
		t.logits = make([]float32, t.e.Vocab())
	}
	t.logits[t.high] = 0
	t.high = t.e.Tokens.StopIDs()[0]
	if len(ids) > 0 {
		t.high = ids[0]
	}
	t.logits[t.high] = certainty
}

// Logits are those of the script's next token.
func (t *text) Logits() []float32 { return t.logits }

// LastPrompt returns the tokens of the last prompt.
func (e *Engine) LastPrompt() []int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.prompt
}

// Prompts is how many prompts were asked for.
func (e *Engine) Prompts() int { return int(e.prompts.Load()) }

// Busy tells whether there are texts in use.
func (e *Engine) Busy() bool { return e.texts.Load() > 0 }
