package harmony

import (
	"fmt"
	"slices"
	"strings"

	"expertfs/infer/tokenizer"
)

// Parser reads messages from tokens as they are generated.
type Parser struct {
	e     *Encoding
	state state
	role  Role // of a message that began before the first token, else ""

	header   []int // tokens of the header so far
	current  Header
	stream   *tokenizer.Stream
	content  strings.Builder
	messages []Message
}

type state int

const (
	between   state = iota // <|start|> must follow
	inHeader               // up to <|message|>
	inContent              // up to one of Encoding.ends
)

// longestHeader is how many tokens a header can have. After so many without
// <|message|> they are taken to be content, so that an answer whose header is
// broken is seen as it comes.
const longestHeader = 100

// NewParser returns a parser for what follows a Prompt: the rest of a message
// of the assistant, and further messages.
func (e *Encoding) NewParser() *Parser {
	return &Parser{e: e, state: inHeader, role: Assistant}
}

// Push takes the next token and returns the text that it adds to the content
// of the message described by Header. The text is valid UTF-8: an incomplete
// character is held back. A message also ends where another begins without
// <|end|>. The error says that a token came between messages; the parser can go
// on all the same.
func (p *Parser) Push(id int) (string, error) {
	ends := slices.Contains(p.e.ends, id)
	switch {
	case id == p.e.start:
		text := p.Finish()
		p.state, p.role = inHeader, ""
		return text, nil
	case p.state == between && ends:
		return "", nil // as <|return|> after <|end|>
	case p.state == between:
		return "", fmt.Errorf("token %d (%q) stands between two messages", id, p.e.tokens.Bytes(id))
	case ends:
		return p.Finish(), nil
	case p.state == inContent:
		return p.pushContent(id), nil
	case id == p.e.message:
		p.begin(p.e.parseHeader(p.header, p.role))
		return "", nil
	}
	p.header = append(p.header, id)
	if len(p.header) < longestHeader {
		return "", nil
	}
	h, text := p.e.parseBrokenHeader(p.header, p.role)
	p.begin(h)
	p.content.WriteString(text)
	return text, nil
}

func (p *Parser) begin(h Header) {
	p.current, p.header = h, nil
	p.stream = p.e.tokens.NewStream()
	p.state = inContent
}

// pushContent takes a token of a message's content. A channel begins a message
// of the same author; other special tokens mean nothing here.
func (p *Parser) pushContent(id int) string {
	if id == p.e.channel {
		role := p.current.Role
		text := p.Finish()
		p.state, p.role, p.header = inHeader, role, []int{id}
		return text
	}
	if _, special := p.e.tokens.SpecialName(id); special {
		return ""
	}
	text := p.stream.Push(id)
	p.content.WriteString(text)
	return text
}

// Finish ends the message that is being read, as when generation was cut
// short, and returns the text that was held back. Of a header that never came
// to <|message|> the rest is taken to be the content.
func (p *Parser) Finish() string {
	var text string
	switch {
	case p.state == inContent:
		text = p.stream.Flush()
	case len(p.header) > 0:
		p.current, text = p.e.parseBrokenHeader(p.header, p.role)
		p.header = nil
	default:
		p.state = between
		return ""
	}
	p.content.WriteString(text)
	p.messages = append(p.messages, Message{p.current, p.content.String()})
	p.content.Reset()
	p.state = between
	return text
}

// InContent tells whether the next token belongs to a message's content.
func (p *Parser) InContent() bool { return p.state == inContent }

// Header returns the header of the message whose content came last.
func (p *Parser) Header() Header { return p.current }

// Messages returns the messages that are complete.
func (p *Parser) Messages() []Message { return p.messages }
