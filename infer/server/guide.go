package server

import (
	"expertfs/infer/harmony"
	"expertfs/infer/tokenizer"
)

// guide binds a turn to the form that a request asks for. Headers are bound when
// the turn must come to a form or to a call: only such messages can begin as
// lead there. Content is bound by a grammar from its first token to the token
// that ends it. Thoughts are free, but they must end as thoughts do, and have at
// most half of the room.
type guide struct {
	chat     *harmony.Encoding
	tokens   *tokenizer.Tokenizer
	marks    harmony.Marks
	ordinary []uint64 // the mask of all tokens that are text

	headers []opening                               // that messages may have; nil: all, and only calls are bound
	bind    func(harmony.Header, itemKind) *binding // of a message's content; nil: it is free

	state   guideState
	node    *branch
	content *binding
	spent   int // tokens of thoughts
	room    int // of the whole answer
	bits    []uint64
	err     error
}

type guideState int

const (
	free guideState = iota
	inOpening
	inThought
	inBound
	atEnd
)

// opening is a header that a message may have.
type opening struct {
	header  harmony.Header
	thought bool // only while there is room for thoughts
}

// branch is a place in the tree of the openings' tokens.
type branch struct{ next map[int]*branch }

func (b *branch) insert(ids []int) {
	for _, id := range ids {
		if b.next == nil {
			b.next = make(map[int]*branch)
		}
		if b.next[id] == nil {
			b.next[id] = &branch{}
		}
		b = b.next[id]
	}
}

// free tells whether the guide leaves headers to the model.
func (g *guide) free() bool { return g.headers == nil }

// open begins a message.
func (g *guide) open(left int) {
	if g.room == 0 {
		g.room = left
	}
	g.node = &branch{}
	for _, o := range g.headers {
		if !o.thought || g.spent < g.room/2 {
			g.node.insert(g.chat.AnswerHeader(o.header))
		}
	}
	g.state = inOpening
}

func (g *guide) next(left int) (forced []int, mask []uint64, err error) {
	if g.err != nil {
		return nil, nil, g.err
	}
	if g.state == free && g.headers != nil {
		g.open(left)
	}
	switch g.state {
	case inOpening:
		for b := g.node; len(b.next) == 1; {
			for id, next := range b.next {
				forced, b = append(forced, id), next
			}
		}
		if forced != nil {
			return forced, nil, nil
		}
		g.clear()
		for id := range g.node.next {
			g.allow(id)
		}
		return nil, g.bits, nil
	case inThought:
		if g.spent >= g.room/2 {
			return []int{g.marks.End}, nil, nil
		}
		g.clear()
		copy(g.bits, g.ordinary)
		g.allow(g.marks.End)
		return nil, g.bits, nil
	case inBound:
		forced, mask := g.content.next()
		return forced, mask, nil
	case atEnd:
		return g.chat.NextMessage()[1:], nil, nil
	}
	return nil, nil, nil
}

func (g *guide) clear() {
	if g.bits == nil {
		g.bits = make([]uint64, len(g.ordinary))
	}
	clear(g.bits)
}

func (g *guide) allow(id int) { g.bits[id>>6] |= 1 << (id & 63) }

// push takes a token of the answer.
func (g *guide) push(id int) {
	switch g.state {
	case inOpening:
		if g.node != nil {
			g.node = g.node.next[id]
		}
	case inThought:
		g.spent++
		if id == g.marks.End {
			g.state = atEnd
		}
	case inBound:
		var ended bool
		if ended, g.err = g.content.push(id); ended {
			g.state = free
		}
	case atEnd:
		if id != g.marks.Start { // the author's name is one token
			g.state = free
		}
	}
}

// enter is told that the content of a message begins.
func (g *guide) enter(h harmony.Header, kind itemKind) {
	if h.Role != harmony.Assistant {
		return
	}
	g.state = free
	if kind == thought || kind == saying && h.Channel == harmony.Commentary {
		if g.headers != nil {
			g.state = inThought
		}
		return
	}
	if g.content = g.bind(h, kind); g.content != nil {
		g.state = inBound
	}
}

// ordinaryTokens returns the mask of all tokens that are text.
func ordinaryTokens(t *tokenizer.Tokenizer) []uint64 {
	bits := make([]uint64, (t.Size()+63)/64)
	for id := range t.Size() {
		if _, ok := t.Text(id); ok {
			bits[id>>6] |= 1 << (id & 63)
		}
	}
	return bits
}
