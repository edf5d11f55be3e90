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

// NewParser returns a parser for what follows a Prompt: the rest of a message
// of the assistant, and further messages.
func (e *Encoding) NewParser() *Parser {
	return &Parser{e: e, state: inHeader, role: Assistant}
}

// Push takes the next token and returns the text that it adds to the content
// of the message described by Header. The text is valid UTF-8: an incomplete
// character is held back. The error says that a token came between messages;
// the parser can go on all the same.
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
		text := p.stream.Push(id)
		p.content.WriteString(text)
		return text, nil
	case id == p.e.message:
		p.current = p.e.parseHeader(p.header, p.role)
		p.header = nil
		p.stream = p.e.tokens.NewStream()
		p.state = inContent
		return "", nil
	}
	p.header = append(p.header, id)
	return "", nil
}

// Finish ends the message that is being read, as when generation was cut
// short, and returns the text that was held back. Of a header that never came
// to <|message|>, all but author and channel is taken to be the content.
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

// Header returns the header of the message whose content came last.
func (p *Parser) Header() Header { return p.current }

// Messages returns the messages that are complete.
func (p *Parser) Messages() []Message { return p.messages }
