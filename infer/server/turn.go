package server

import (
	"log/slog"
	"slices"
	"strings"

	"expertfs/infer/harmony"
	"expertfs/infer/tokenizer"
)

// turn is the reader of chats: it makes items of the messages that the assistant
// writes, until it has ended its turn or calls a tool. Words of other roles end
// the turn and are not shown.
//
// A turn that ends without anything for the client is led on: the end is taken
// for the end of a thought, and the header of a final message follows.
type turn struct {
	chat   *harmony.Encoding
	tokens *tokenizer.Tokenizer
	marks  harmony.Marks
	parser *harmony.Parser
	guide  *guide // nil: the model is free
	sink   sink
	log    *slog.Logger

	ordinary []uint64 // the mask of all tokens that are text
	offered  []tool
	parallel bool // another call may follow
	stop     stopper
	stopped  bool // a stop string came

	items    []*item
	current  *item       // being written, or nil
	pending  []tokenProb // of the current item, whose text is not complete
	thoughts int         // tokens of reasoning
	forced   []int
	led      bool  // on to a final message
	onlyText bool  // may come next
	after    []int // what must follow a call for the turn to go on; nil: anything
}

// newTurn returns the reader of the answer to c, which tells it to sink.
func (s *Server) newTurn(c *conversation, stops []string, out sink) *turn {
	return &turn{
		chat: s.Chat, tokens: s.Tokens, marks: s.Chat.Marks(), parser: s.Chat.NewParser(), sink: out, log: s.Log,
		ordinary: s.ordinary(), offered: c.offered(), parallel: c.parallel, stop: stopper{stops: stops},
	}
}

func (t *turn) next(left int) ([]int, []uint64, error) {
	if len(t.forced) > 0 {
		forced := t.forced
		t.forced = nil
		return forced, nil, nil
	}
	if t.onlyText {
		return nil, t.ordinary, nil
	}
	if t.guide != nil {
		return t.guide.next(left)
	}
	return nil, nil, nil
}

func (t *turn) push(p tokenProb) (int, bool, error) {
	t.onlyText = false
	if t.after != nil {
		if p.id != t.after[0] {
			return p.id, false, nil
		}
		if t.after = t.after[1:]; len(t.after) == 0 {
			t.after = nil
		}
	}
	inside := t.parser.InContent()
	text, stray := t.parser.Push(p.id)
	if t.guide != nil {
		t.guide.push(p.id)
	}
	if err := t.write(text, p, inside); err != nil {
		return p.id, false, err
	}
	switch {
	case stray != nil:
		t.log.Debug("the model left the chat format", "err", stray)
		return t.leave(p.id)
	case t.stopped:
		return p.id, false, nil
	case p.id == t.marks.Call && t.calls() > 0 && t.parallel && (t.guide == nil || t.guide.free()):
		t.after = t.chat.NextMessage()[1:]
		return p.id, true, nil
	case t.ends(p.id):
		return t.leave(p.id)
	case t.parser.InContent() && t.parser.Header().Role != harmony.Assistant:
		return t.leave(p.id)
	}
	return p.id, true, nil
}

// ends tells whether a token ends the turn.
func (t *turn) ends(id int) bool {
	return id == t.marks.Return || id == t.marks.Call || slices.Contains(t.tokens.StopIDs(), id)
}

// leave ends the turn at a token, unless there is nothing to show for it.
func (t *turn) leave(id int) (int, bool, error) {
	if t.led || t.visible() || t.guide != nil && !t.guide.free() {
		return id, false, nil
	}
	t.led = true
	next := t.chat.NextMessage()
	switch {
	case t.parser.InContent(): // of somebody else
	case t.ends(id):
		id, next = next[0], next[1:]
	default: // a token that stands nowhere
		id, next = next[1], next[2:]
		_, _ = t.parser.Push(id)
	}
	t.forced = append(next, t.chat.AnswerHeader(harmony.Header{Channel: harmony.Final})...)
	return id, true, nil
}

// visible tells whether the client gets anything but thoughts.
func (t *turn) visible() bool {
	return slices.ContainsFunc(t.items, func(it *item) bool {
		return it.kind == calling || it.kind == saying && strings.TrimSpace(it.text.String()) != ""
	})
}

func (t *turn) calls() int { return len(callsOf(t.items)) }

// write adds what a token has brought to the items. Inside tells whether the
// token stood in the content of a message.
func (t *turn) write(text string, p tokenProb, inside bool) error {
	message := len(t.parser.Messages())
	open := t.parser.InContent()
	if !open {
		message-- // the one that has just ended
	}
	h := t.parser.Header()
	kind, shown := t.kindOf(h)
	if inside && kind == thought || open && kind == thought {
		t.thoughts++
	}
	begins := t.current == nil || t.current.message != message
	if shown && begins && (text != "" || open && (inside || kind == calling)) {
		if err := t.begin(kind, h, message); err != nil {
			return err
		}
	}
	if it := t.current; it != nil && it.message == message {
		if inside && open {
			p.text = t.tokens.Bytes(p.id)
			t.pending = append(t.pending, p)
		}
		if err := t.add(text); err != nil {
			return err
		}
	}
	if !open && t.current != nil {
		t.current.whole = true
		return t.finish()
	}
	if open && !inside && t.led && kind == saying {
		t.onlyText = true
	}
	if open && !inside && t.guide != nil {
		t.guide.enter(h, kind)
	}
	return nil
}

// begin begins an item.
func (t *turn) begin(kind itemKind, h harmony.Header, message int) error {
	if err := t.finish(); err != nil {
		return err
	}
	it := &item{kind: kind, index: len(t.items), message: message}
	t.items, t.current, t.pending = append(t.items, it), it, nil
	t.stop.held = ""
	if kind == calling {
		it.name, it.id = t.called(h), newID("call_")
	}
	if err := t.sink.begin(it); err != nil {
		return err
	}
	if kind == saying && h.Channel != harmony.Final && !everybody(h.Recipient) {
		// A call of what nobody offered is shown as what it is.
		it.suffix = ")"
		return t.add(h.Recipient + "(")
	}
	return nil
}

// add adds text to the current item.
func (t *turn) add(text string) error {
	it := t.current
	if it.kind == saying && !t.stopped {
		text, t.stopped = t.stop.push(text)
	} else if it.kind == saying {
		return nil
	}
	return t.put(text)
}

// put hands text of the current item on, and the tokens that it completes.
func (t *turn) put(text string) error {
	if text == "" {
		return nil
	}
	it, probs := t.current, t.pending
	t.pending = nil
	at := it.text.Len()
	for i := range probs {
		probs[i].at = at
		at += len(probs[i].text)
	}
	it.text.WriteString(text)
	it.probs = append(it.probs, probs...)
	return t.sink.add(it, text, probs)
}

// finish ends the current item, if there is one.
func (t *turn) finish() error {
	it := t.current
	if it == nil {
		return nil
	}
	if it.kind == saying && !t.stopped {
		if err := t.put(t.stop.flush() + it.suffix); err != nil {
			return err
		}
	}
	t.current = nil
	return t.sink.end(it)
}

func (t *turn) end(why finish) (finish, error) {
	cut := t.parser.InContent()
	if text := t.parser.Finish(); t.current == nil {
		if err := t.write(text, tokenProb{}, false); err != nil {
			return why, err
		}
	} else if err := t.add(text); err != nil {
		return why, err
	}
	if err := t.finish(); err != nil {
		return why, err
	}
	switch {
	case t.stopped:
		return finishStop, nil
	case t.calls() > 0 && !(why == finishLength && cut):
		return finishCalls, nil
	}
	return why, nil
}

// kindOf sorts a message by its header. What others say is not shown.
func (t *turn) kindOf(h harmony.Header) (kind itemKind, shown bool) {
	switch {
	case h.Role != harmony.Assistant:
		return saying, false
	case h.Channel == harmony.Final:
		return saying, true
	case t.called(h) != "":
		return calling, true
	case h.Channel == harmony.Commentary || h.Channel == "" || !everybody(h.Recipient):
		return saying, true
	}
	return thought, true
}

// everybody tells whether a recipient is no tool.
func everybody(recipient string) bool {
	return recipient == "" || recipient == "user" || recipient == "assistant" || recipient == "all"
}

// called returns the name of the tool that a message calls, if any were offered.
func (t *turn) called(h harmony.Header) string {
	if h.Recipient == "" || len(t.offered) == 0 {
		return ""
	}
	name := harmony.FunctionName(h.Recipient)
	known := slices.ContainsFunc(t.offered, func(o tool) bool { return o.Name == name })
	if !known && (name == h.Recipient || name == "") {
		return ""
	}
	return name
}

// stopString is the stop string that ended the text, or nothing.
func (t *turn) stopString() string {
	if t.stopped {
		return t.stop.found
	}
	return ""
}
