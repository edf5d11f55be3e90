package server

import (
	"context"
	"slices"
	"sync"
	"time"
)

// finish is why a text ended.
type finish string

const (
	finishStop   finish = "stop"       // the model ended it, or a stop string came
	finishLength finish = "length"     // the most tokens allowed, or the end of the context
	finishCalls  finish = "tool_calls" // the model waits for the results of calls
)

// reader turns the tokens of an answer into what the endpoint writes, and says
// how they may go on.
type reader interface {
	// next says what may follow: tokens that follow by necessity and are taken
	// without a choice, or else the mask of those that are allowed; nil allows all.
	// left is how many tokens there is room for.
	next(left int) (forced []int, mask []uint64, err error)
	// push takes a token. It returns the one that is to stand in the text in its
	// place, mostly the same, and whether the answer goes on after it.
	push(p tokenProb) (id int, more bool, err error)
	// end takes the end of the text for a reason of the loop's. It returns the
	// reason that clients are told.
	end(why finish) (finish, error)
}

// text is what a job asks an engine for.
type text struct {
	prompt   []int
	origin   *origin // what it shares with other texts of the same prompt; nil: nothing
	max      int     // tokens to generate
	chooser  *chooser
	logprobs int // how many alternatives of each token are wanted; negative: not even its own probability
	reader   reader
	// each sees the logits after every token of the prompt; may be nil. The engine
	// calls it while all of its texts wait: it must not wait for a client, nor for a
	// lock that is held while one is waited for.
	each func(position int, logits []float32)
}

// outcome is what came of a text.
type outcome struct {
	prompt    int // tokens of the prompt, if this text has asked for it
	reused    int // tokens of the prompt that were not computed
	generated int
	why       finish
	replaced  int           // uses of experts in place of the router's choice
	reading   time.Duration // of the prompt
	writing   time.Duration // of the answer
}

// generate has a text computed whose turn it is.
func (j *job) generate(ctx context.Context, e Engine, t *text) (o outcome, err error) {
	began := time.Now()
	x, err := j.begin(ctx, e, t, &o) // also where no token is asked for: the next request has the prompt read then
	read := time.Now()
	o.reading = read.Sub(began)
	if x != nil {
		defer x.Close()
	}
	if err == nil {
		before := substituted(x)
		o.generated, o.why, err = t.generate(ctx, x, &j.mu)
		if err == nil { // else it may be computed still
			o.replaced = max(0, substituted(x)-before) // a text that was computed anew counts from 0
		}
	}
	o.writing = time.Since(read)
	return o, err
}

// substituted is how many uses of experts the engine has put in place of the router's
// choice, if it does such things.
func substituted(x Text) int {
	if s, ok := x.(interface{ Substituted() int }); ok {
		return s.Substituted()
	}
	return 0
}

// begin returns the text of a prompt: that of another choice, if that has left one.
func (j *job) begin(ctx context.Context, e Engine, t *text, o *outcome) (Text, error) {
	if x := t.origin.take(); x != nil {
		return x, nil
	}
	o.prompt = len(t.prompt)
	texts, reused, err := e.Prompt(ctx, t.prompt, t.origin.wanted(), t.each)
	o.reused = reused
	if err != nil {
		t.origin.leave(nil)
		return nil, err
	}
	t.origin.leave(texts[1:])
	return texts[0], nil
}

// generate goes on from x, and returns how many tokens it has generated. The lock is
// that of the job's readers: tokens of several texts are chosen at the same time.
func (t *text) generate(ctx context.Context, x Text, mu *sync.Mutex) (n int, why finish, err error) {
	var pending []int // tokens of the answer that the engine does not have yet
	take := func(p tokenProb) (more bool, err error) {
		n++
		t.chooser.took(p.id)
		mu.Lock()
		defer mu.Unlock()
		id, more, err := t.reader.push(p)
		pending = append(pending, id)
		return more, err
	}
	for n < t.max {
		forced, mask, err := t.reader.next(t.max - n)
		if err != nil {
			return n, "", err
		}
		for _, id := range slices.Clone(forced) {
			if n == t.max {
				break
			}
			if more, err := take(tokenProb{id: id}); err != nil || !more {
				return n, finishStop, err
			}
		}
		if len(forced) > 0 {
			if err := ctx.Err(); err != nil {
				return n, "", err
			}
			continue
		}
		if len(pending) > 0 {
			if err := x.Append(ctx, pending); err != nil {
				return n, "", err
			}
			pending = pending[:0]
		}
		logits := x.Logits()
		id, err := t.chooser.choose(logits, mask)
		if err != nil {
			return n, "", err
		}
		p := tokenProb{id: id}
		if t.logprobs >= 0 {
			if p, err = logProb(logits, id, t.logprobs); err != nil {
				return n, "", err
			}
		}
		if more, err := take(p); err != nil || !more {
			return n, finishStop, err
		}
	}
	return n, finishLength, nil
}
