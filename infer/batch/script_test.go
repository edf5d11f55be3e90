package batch

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"expertfs/infer"
)

// hang is longer than any test takes.
const hang = 2 * time.Minute

// script is an engine that computes nothing. It records the batches, and what a
// test says goes through the layers.
type script struct {
	t      *testing.T
	layers int
	layer  func(ctx context.Context, p *scriptPart) error // called for each layer; may be nil

	mu    sync.Mutex
	begun []*scriptPart
	order []string               // of layers: "N" of which part
	have  map[*infer.Session]int // tokens
	busy  map[*infer.Session]bool
}

type scriptPart struct {
	s      *script
	number int
	pieces []infer.Piece
	next   int
}

func newScript(t *testing.T, layers int) *script {
	return &script{t: t, layers: layers, have: map[*infer.Session]int{}, busy: map[*infer.Session]bool{}}
}

func (s *script) begin(pieces []infer.Piece) (Batch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &scriptPart{s: s, number: len(s.begun), pieces: pieces}
	s.begun = append(s.begun, p)
	return p, nil
}

func (s *script) batches() []*scriptPart {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*scriptPart(nil), s.begun...)
}

func (p *scriptPart) rows() (n int) {
	for _, x := range p.pieces {
		n += len(x.IDs)
	}
	return n
}

func (p *scriptPart) has(session *infer.Session) bool {
	for _, x := range p.pieces {
		if x.Session == session {
			return true
		}
	}
	return false
}

func (p *scriptPart) Drop(session *infer.Session) {
	p.pieces = slices.DeleteFunc(slices.Clone(p.pieces), func(x infer.Piece) bool { return x.Session == session })
}

func (p *scriptPart) Advance(ctx context.Context, more func() bool) (bool, error) {
	for first := p.next; p.next < p.s.layers; p.next++ {
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if p.next > first && more != nil && !more() {
			return false, nil
		}
		if p.s.layer != nil {
			if err := p.s.layer(ctx, p); err != nil {
				return false, err
			}
		}
		p.s.mu.Lock()
		p.s.order = append(p.s.order, fmt.Sprint(p.number))
		p.s.mu.Unlock()
	}
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	for _, x := range p.pieces {
		p.s.have[x.Session] += len(x.IDs)
	}
	return true, nil
}

func newTestScheduler(t *testing.T, s *script, o Options) *Scheduler {
	x := New(s.begin, o)
	t.Cleanup(x.Close)
	return x
}

func within(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(hang):
		t.Fatal("hangs: " + what)
	}
}
