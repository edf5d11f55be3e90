package harmony

import (
	"slices"
	"strings"
	"unicode"

	"expertfs/infer/tokenizer"
)

// Models are free in the order of channel and recipient, and sometimes leave
// <|message|> out. A header is therefore read with patience: what is known by
// its form is taken, and of a header without an end the rest is content.

// parseHeader reads the tokens between <|start|> and <|message|>. A role says
// that it stood before these tokens.
func (e *Encoding) parseHeader(ids []int, role Role) Header {
	h, before, after := e.parseAuthorAndChannel(ids, role)
	takeRecipientAndType(&h, append(strings.Fields(before), strings.Fields(after)...))
	return h
}

// parseBrokenHeader reads tokens that no <|message|> followed. The rest is
// their text without author, channel, recipient and content type: what the
// model has to say, with its line ends and indents.
func (e *Encoding) parseBrokenHeader(ids []int, role Role) (h Header, rest string) {
	h, before, after := e.parseAuthorAndChannel(ids, role)
	if h.Channel == "" {
		rest = takeMarked(&h, before)
		return h, rest
	}
	takeRecipientAndType(&h, strings.Fields(before))
	switch h.Channel {
	case Analysis, Commentary, Final:
		return h, takeMarked(&h, after)
	}
	// A channel that nobody knows is the first word of a thought, or the beginning of
	// a name where the text was cut short.
	if after != "" || !beginsChannel(h.Channel) {
		rest = h.Channel + after
	}
	h.Channel = Analysis
	return h, rest
}

// beginsChannel tells whether a channel's name begins so.
func beginsChannel(text string) bool {
	return slices.ContainsFunc([]string{Analysis, Commentary, Final}, func(name string) bool {
		return strings.HasPrefix(name, strings.ToLower(text))
	})
}

// takeMarked takes recipient and content type off the start of text, where they
// are marked as such, and then one blank or line end.
func takeMarked(h *Header, text string) string {
	for {
		word, rest := firstWord(text)
		switch {
		case strings.HasPrefix(word, "to=") && word != "to=":
			h.Recipient = strings.TrimPrefix(word, "to=")
		case strings.HasPrefix(word, constrainName):
			h.ContentType = word
		case h.Recipient != "" && h.ContentType == "" && (word == "json" || word == "code"):
			h.ContentType = word
		default:
			if text != "" && unicode.IsSpace(rune(text[0])) {
				text = text[1:]
			}
			return text
		}
		text = rest
	}
}

func firstWord(text string) (word, rest string) {
	text = strings.TrimLeftFunc(text, unicode.IsSpace)
	if end := strings.IndexFunc(text, unicode.IsSpace); end >= 0 {
		return text[:end], text[end:]
	}
	return text, ""
}

// parseAuthorAndChannel sets role, name and channel, and returns the text
// between author and <|channel|>, and that after the channel.
func (e *Encoding) parseAuthorAndChannel(ids []int, role Role) (h Header, before, after string) {
	h.Role = role
	before = e.headerText(ids)
	if i := slices.Index(ids, e.channel); i >= 0 {
		before = e.headerText(ids[:i])
		h.Channel, after = cutChannel(e.headerText(ids[i+1:]))
	}
	first, rest := firstWord(before)
	switch {
	case role == "":
		takeAuthor(&h, first)
		before = rest
	case first == string(role):
		before = rest
	}
	return h, before, after
}

// cutChannel returns the word at the start of text, and what follows it. A
// content type is a word of its own.
func cutChannel(text string) (channel, after string) {
	text = strings.TrimLeft(text, " ")
	end := strings.IndexFunc(text, func(r rune) bool { return unicode.IsSpace(r) || r == '<' })
	if end < 0 {
		end = len(text)
	}
	channel, after = text[:end], text[end:]
	for _, known := range []string{Analysis, Commentary, Final} {
		if strings.EqualFold(channel, known) {
			channel = known
		}
	}
	return channel, after
}

// headerText decodes ids, with a blank before each <|constrain|>. Special tokens
// that have no place in a header are left out.
func (e *Encoding) headerText(ids []int) string {
	var b strings.Builder
	for _, id := range ids {
		if id == e.constrain {
			b.WriteByte(' ')
		} else if _, special := e.tokens.SpecialName(id); special {
			continue
		}
		b.WriteString(e.tokens.Bytes(id))
	}
	return tokenizer.ValidUTF8(b.String())
}

// takeAuthor reads a word as role or role:name. Any other word is the name of a
// tool, and no word at all the assistant.
func takeAuthor(h *Header, word string) {
	if word == "" {
		h.Role = Assistant
		return
	}
	role, name, _ := strings.Cut(word, ":")
	switch r := Role(role); r {
	case System, Developer, User, Assistant:
		h.Role, h.Name = r, name
	default:
		h.Role, h.Name = Tool, word
	}
}

// takeRecipientAndType reads words as [recipient] [content type], where a
// recipient may be written with or without "to=". A word alone is a recipient
// unless it is the name of a form or stands on the channel final, which the user
// reads whoever is named.
func takeRecipientAndType(h *Header, words []string) {
	var plain []string
	for i := 0; i < len(words); i++ {
		word := words[i]
		switch {
		case word == "to=" && i+1 < len(words):
			i++
			h.Recipient = words[i]
		case strings.HasPrefix(word, "to="):
			h.Recipient = strings.TrimPrefix(word, "to=")
		case strings.HasPrefix(word, constrainName):
			h.ContentType = word
		default:
			plain = append(plain, word)
		}
	}
	n := len(plain)
	if n == 0 {
		return
	}
	last := plain[n-1]
	isType := h.Recipient != "" || n > 1 || h.Channel == Final || last == "json" || last == "code"
	if isType && h.ContentType == "" {
		h.ContentType = last
		n--
	}
	if n > 0 && h.Recipient == "" && h.Channel != Final {
		h.Recipient = plain[n-1]
	}
}
