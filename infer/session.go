package infer

import (
	"context"
	"fmt"
)

// Session is one text: its tokens, and their keys and values. A session is used
// by one goroutine at a time.
type Session struct {
	e      *Engine
	ids    []int           // tokens so far
	cache  []*kvCache      // by layer
	logits []float32       // after the last token; nil before the first, and where they are not known
	space  []float32       // logits lie here
	after  func(first int) // see OnBatch; may be nil

	substituted int
}

// NewSession begins an empty text.
func (e *Engine) NewSession() *Session {
	s := &Session{e: e, cache: make([]*kvCache, e.cfg.Layers)}
	for l := range s.cache {
		s.cache[l] = &kvCache{heads: e.cfg.KVHeads, headDim: e.cfg.HeadDim, kind: e.set.kv}
		if e.cfg.Sliding[l] {
			s.cache[l].window = e.cfg.Window
		}
	}
	return s
}

// Len is the number of tokens in the session.
func (s *Session) Len() int { return len(s.ids) }

// IDs are the tokens in the session. The slice must not be changed, and holds
// until the session does.
func (s *Session) IDs() []int { return s.ids }

// OnBatch has f called after each batch in which tokens of the session were
// computed, the first of them at the given position. States up to any of these
// tokens can be had then, which the next batch may overwrite. F must leave the text
// as it is, and may not compute.
func (s *Session) OnBatch(f func(first int)) { s.after = f }

// add takes tokens that were computed.
func (s *Session) add(ids []int) {
	first := len(s.ids)
	s.ids = append(s.ids, ids...)
	if s.after != nil {
		s.after(first)
	}
}

// Substituted is how many uses of experts were of one in RAM in place of the
// router's own choice, in all that was computed; see Options.PreferResident.
func (s *Session) Substituted() int { return s.substituted }

// Logits are the model's scores, one for each id of the vocabulary, for the
// token that follows the last one appended. The slice is overwritten by the
// next Append; it is nil in an empty session.
func (s *Session) Logits() []float32 { return s.logits }

func (s *Session) setLogits(logits []float32) {
	s.space = append(s.space[:0], logits...)
	s.logits = s.space
}

// Reset empties the session and keeps its memory.
func (s *Session) Reset() {
	for _, c := range s.cache {
		c.clear()
	}
	s.ids, s.logits = s.ids[:0], nil
}

// Truncate shortens the session to its first n tokens, so that a text with the
// same beginning can go on from there; Logits are nil until the next Append. It
// tells whether that was possible: layers with a sliding window forget what they
// no longer need, and then the session is left as it was.
func (s *Session) Truncate(n int) bool {
	if n < 0 || n > len(s.ids) {
		return false
	}
	if n == 0 {
		s.Reset()
		return true
	}
	for _, c := range s.cache {
		if !c.canCut(n) {
			return false
		}
	}
	if n < len(s.ids) {
		s.ids, s.logits = s.ids[:n], nil
	}
	return true
}

// Append runs the model over ids, the text's next tokens. With each, it is
// called in order with every token's position and logits, which it must not
// keep, and it may not use the session; without it only the last token's logits
// are computed. When ctx ends Append returns its error, between two stages.
// After an error the session holds the tokens before the batch that failed.
func (s *Session) Append(ctx context.Context, ids []int, each func(position int, logits []float32)) error {
	e := s.e
	if len(ids) == 0 {
		return nil
	}
	if err := s.check(ids); err != nil {
		return err
	}
	for len(ids) > 0 {
		n := min(len(ids), e.set.batch)
		if err := e.run(ctx, []Piece{{Session: s, IDs: ids[:n], Logits: n == len(ids), Each: each}}); err != nil {
			return err
		}
		ids = ids[n:]
	}
	return nil
}

// check tells why ids cannot follow the session's tokens.
func (s *Session) check(ids []int) error {
	e := s.e
	if len(s.ids)+len(ids) > e.set.context {
		return fmt.Errorf("%d tokens do not fit: the context has %d and %d are used", len(ids), e.set.context, len(s.ids))
	}
	for i, id := range ids {
		if id < 0 || id >= e.cfg.Vocab {
			return fmt.Errorf("token %d: id %d is outside of the vocabulary (0 to %d)", i, id, e.cfg.Vocab-1)
		}
	}
	return nil
}
