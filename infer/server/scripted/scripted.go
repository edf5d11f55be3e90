// Package scripted has an engine that says given tokens in place of a model's.
// It shows how a server treats what a model may say, good or bad.
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
	Say    func(prompt []int) string
	Before func(context.Context) error // called before each token that is appended; may be nil
	Room   int                         // the context, in tokens
	Err    error                       // in place of the token after the script

	busy   atomic.Bool
	mu     sync.Mutex
	prompt []int
	text   []int // what was appended to the prompt
	script []int
	logits []float32
	high   int // index of the one logit that is not 0
}

// Says returns a script that is the same for all prompts.
func Says(text string) func([]int) string { return func([]int) string { return text } }

// errBusy says that the engine was used by two goroutines.
var errBusy = errors.New("two requests at a time")

// Vocab is the size of the vocabulary.
func (e *Engine) Vocab() int { return e.Tokens.Size() }

// Context is the most tokens of a text.
func (e *Engine) Context() int { return e.Room }

// Prompt begins the script.
func (e *Engine) Prompt(ctx context.Context, ids []int, each func(int, []float32)) (int, error) {
	if !e.busy.CompareAndSwap(false, true) {
		return 0, errBusy
	}
	defer e.busy.Store(false)
	e.mu.Lock()
	reused := 0
	for reused < len(ids)-1 && reused < len(e.prompt) && ids[reused] == e.prompt[reused] {
		reused++
	}
	e.prompt, e.text = slices.Clone(ids), nil
	e.mu.Unlock()
	e.script = e.Tokens.EncodeSpecial(e.Say(ids))
	if each != nil {
		reused = 0
		for i := range ids {
			e.expect(append(ids[i+1:len(ids):len(ids)], e.script...))
			each(i, e.logits)
		}
	}
	return reused, e.next(ctx)
}

// Append goes on in the script when it is given what the script says, and leaves
// it where it is otherwise.
func (e *Engine) Append(ctx context.Context, ids []int) error {
	if !e.busy.CompareAndSwap(false, true) {
		return errBusy
	}
	defer e.busy.Store(false)
	for _, id := range ids {
		e.follow(id)
	}
	e.mu.Lock()
	e.text = append(e.text, ids...)
	e.mu.Unlock()
	return e.next(ctx)
}

// follow goes on in the script by one token. A token that is the script's text cut
// otherwise counts too: what is forced on a model need not be cut as it would.
func (e *Engine) follow(id int) {
	if len(e.script) == 0 {
		return
	}
	if e.script[0] == id {
		e.script = e.script[1:]
		return
	}
	if _, special := e.Tokens.SpecialName(id); special {
		return
	}
	text, given := "", e.Tokens.Bytes(id)
	for n, next := range e.script {
		if _, special := e.Tokens.SpecialName(next); special {
			return
		}
		text += e.Tokens.Bytes(next)
		if rest, ok := strings.CutPrefix(text, given); ok {
			e.script = append(e.Tokens.Encode(rest), e.script[n+1:]...)
			return
		}
		if !strings.HasPrefix(given, text) {
			return
		}
	}
}

func (e *Engine) next(ctx context.Context) error {
	if e.Before != nil {
		if err := e.Before(ctx); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(e.script) == 0 && e.Err != nil {
		return e.Err
	}
	e.expect(e.script)
	return nil
}

// expect makes the first of ids, or the end of a text, the most probable token.
func (e *Engine) expect(ids []int) {
	if e.logits == nil {
		e.logits = make([]float32, e.Vocab())
	}
	e.logits[e.high] = 0
	e.high = e.Tokens.StopIDs()[0]
	if len(ids) > 0 {
		e.high = ids[0]
	}
	e.logits[e.high] = certainty
}

// Logits are those of the script's next token.
func (e *Engine) Logits() []float32 { return e.logits }

// LastPrompt returns the tokens of the last prompt.
func (e *Engine) LastPrompt() []int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.prompt
}

// Busy tells whether the engine is computing.
func (e *Engine) Busy() bool { return e.busy.Load() }
