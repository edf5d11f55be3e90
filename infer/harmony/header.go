package harmony

import (
	"slices"
	"strings"
	"unicode"
)

// parseHeader reads the tokens between <|start|> and <|message|>. A role says
// that it stood before these tokens. Models are free in the order of channel
// and recipient; words that fit nowhere are ignored.
func (e *Encoding) parseHeader(ids []int, role Role) Header {
	h, words := e.parseAuthorAndChannel(ids, role)
	takeRecipientAndType(&h, words)
	return h
}

// parseBrokenHeader reads tokens that no <|message|> followed. The rest is
// what stands after author and channel.
func (e *Encoding) parseBrokenHeader(ids []int, role Role) (h Header, rest string) {
	h, words := e.parseAuthorAndChannel(ids, role)
	return h, strings.Join(words, " ")
}

func (e *Encoding) parseAuthorAndChannel(ids []int, role Role) (h Header, words []string) {
	h.Role = role
	words = strings.Fields(e.cutChannel(ids, &h))
	if role == "" {
		words = takeAuthor(&h, words)
	} else if len(words) > 0 && words[0] == string(role) {
		words = words[1:]
	}
	return h, words
}

// cutChannel sets h.Channel to the word after <|channel|> and returns the text
// of the rest. A content type is a word of its own.
func (e *Encoding) cutChannel(ids []int, h *Header) string {
	var before []int
	after := ids
	if i := slices.Index(ids, e.channel); i >= 0 {
		before, after = ids[:i], ids[i+1:]
		text := e.headerText(after)
		end := strings.IndexFunc(text, func(r rune) bool { return unicode.IsSpace(r) || r == '<' })
		if end < 0 {
			end = len(text)
		}
		h.Channel = text[:end]
		return e.headerText(before) + " " + text[end:]
	}
	return e.headerText(after)
}

// headerText decodes ids, with a blank before each <|constrain|>.
func (e *Encoding) headerText(ids []int) string {
	var b strings.Builder
	for _, id := range ids {
		if id == e.constrain {
			b.WriteByte(' ')
		}
		b.WriteString(e.tokens.Bytes(id))
	}
	return strings.ToValidUTF8(b.String(), "\ufffd")
}

// takeAuthor reads the first word as role or role:name. Any other word is the
// name of a tool.
func takeAuthor(h *Header, words []string) []string {
	if len(words) == 0 {
		return nil
	}
	role, name, _ := strings.Cut(words[0], ":")
	switch r := Role(role); r {
	case System, Developer, User, Assistant:
		h.Role, h.Name = r, name
	default:
		h.Role, h.Name = Tool, words[0]
	}
	return words[1:]
}

// takeRecipientAndType reads the last words as [recipient] [content type],
// where a recipient may be written with or without "to=". A word alone is a
// recipient unless it is a constraint.
func takeRecipientAndType(h *Header, words []string) {
	n := len(words)
	if n == 0 {
		return
	}
	last := words[n-1]
	called := strings.HasPrefix(last, "to=")
	if !called && (n > 1 || strings.HasPrefix(last, constrainName)) {
		h.ContentType = last
		n--
	}
	if n > 0 {
		h.Recipient = strings.TrimPrefix(words[n-1], "to=")
	}
}
