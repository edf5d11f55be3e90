package server

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// blocks are a text, or a list of blocks of content, of Anthropic's API.
type blocks []block

type block struct {
	Type      string         `json:"type"`
	Text      string         `json:"text"`
	Thinking  string         `json:"thinking"`
	ID        string         `json:"id"`
	Name      string         `json:"name"`
	Input     jsontext.Value `json:"input"`
	ToolUseID string         `json:"tool_use_id"`
	Content   jsontext.Value `json:"content"` // of a result: a text, blocks, or any JSON
	IsError   bool           `json:"is_error"`
	Title     string         `json:"title"`
	Context   string         `json:"context"`
	Source    jsontext.Value `json:"source"` // of a search result a text, of others an object
	ToolName  string         `json:"tool_name"`
	Tool      toolChange     `json:"tool"`
	Changes   blocks         `json:"tool_changes"`
	Extra     unnoticed      `json:",embed"`

	field string // where it stands in the request
}

// toolChange is the tool that a message adds or takes away: all of it, or its name.
type toolChange struct {
	Type       string       `json:"type"`
	Name       string       `json:"name"`
	Definition messagesTool `json:"definition"`
}

func (b *blocks) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	switch d.PeekKind() {
	case '"':
		*b = blocks{{Type: "text"}}
		return json.UnmarshalDecode(d, &(*b)[0].Text)
	case '[':
		return json.UnmarshalDecode(d, (*[]block)(b))
	}
	return nothingElse(d, "a string or a list of blocks")
}

// readBlocks reads blocks within a block. It tells whether there are such.
func (c *conversation) readBlocks(value jsontext.Value) (inner blocks, ok bool, err error) {
	if isNeutral(value) {
		return nil, true, nil
	}
	err = json.Unmarshal(value, &inner, decoding, counting(&c.entries))
	var bound *apiError
	if err != nil && !errors.As(err, &bound) {
		return nil, false, nil
	}
	return inner, true, err
}

// text returns the texts of blocks. What is no text is refused, or else told of in
// words as far as it is known.
func (b blocks) text(s *Server, c *conversation, field string, told bool) (string, error) {
	texts := make([]string, len(b))
	for i := range b {
		at := fmt.Sprintf("%s[%d]", field, i)
		text, ok, err := b[i].words(s, c, at, told)
		if err != nil {
			return "", err
		}
		if !ok {
			return "", badRequest(at, "%s: content of type %q is not supported, only text", at, shorten(b[i].Type))
		}
		texts[i] = text
	}
	return joinParts(texts), nil
}

// plain is text for blocks that may not have blocks themselves.
func (b blocks) plain(s *Server, c *conversation, field string, told bool) (string, error) {
	for i := range b {
		if b[i].Type == "document" || b[i].Type == "search_result" {
			at := fmt.Sprintf("%s[%d]", field, i)
			return "", badRequest(at, "%s: content of type %q is not supported, only text", at, b[i].Type)
		}
	}
	return b.text(s, c, field, told)
}

// words returns the text of a block. It tells whether the block is text, or can
// be said in words.
func (b *block) words(s *Server, c *conversation, field string, told bool) (text string, ok bool, err error) {
	switch b.Type {
	case "text":
		return b.Text, true, nil
	case "tool_reference":
		return "The tool " + b.ToolName + " can be used.", true, nil
	case "browser_state":
		return string(b.Extra), true, nil
	case "search_result":
		var source string
		inner, ok, err := c.readBlocks(b.Content)
		if err != nil || !ok || json.Unmarshal(b.Source, &source, decoding) != nil {
			return "", false, err
		}
		text, err := inner.plain(s, c, field+".content", told)
		return joinParts([]string{b.Title, source, text}), err == nil, err
	case "document":
		if text, ok, err := b.document(s, c, field, told); ok || err != nil {
			return joinParts([]string{b.Title, b.Context, text}), ok, err
		}
	}
	if !told {
		return "", false, nil
	}
	if text, ok = toldOf(b.Type, b.Title); ok {
		s.noticeForeign(b.Type)
	}
	return text, ok, nil
}

// document returns the text of a document, if it is text.
func (b *block) document(s *Server, c *conversation, field string, told bool) (text string, ok bool, err error) {
	var source struct {
		Type    string         `json:"type"`
		Data    string         `json:"data"`
		Content jsontext.Value `json:"content"`
	}
	if json.Unmarshal(b.Source, &source, decoding) != nil {
		return "", false, nil
	}
	switch source.Type {
	case "text":
		return source.Data, true, nil
	case "content":
		inner, ok, err := c.readBlocks(source.Content)
		if err != nil || !ok {
			return "", false, err
		}
		text, err := inner.plain(s, c, field+".source.content", told)
		return text, err == nil, err
	}
	return "", false, nil
}

// result returns the text of what a tool has found. What is no content at all is
// shown as JSON.
func (b *block) result(s *Server, c *conversation) (string, error) {
	inner, ok, err := c.readBlocks(b.Content)
	if err != nil {
		return "", err
	}
	texts := make([]string, len(inner))
	for i := range inner {
		text, known, err := inner[i].words(s, c, fmt.Sprintf("%s.content[%d]", b.field, i), true)
		if err != nil {
			return "", err
		}
		texts[i], ok = text, ok && known
	}
	if !ok {
		return string(b.Content), nil
	}
	return joinParts(texts), nil
}

// elsewhere tells whether a block says what others have done: tools that other
// servers ran, thoughts that they keep secret, models that they changed.
func (b *block) elsewhere() bool {
	switch b.Type {
	case "redacted_thinking", "server_tool_use", "mcp_tool_use", "mcp_tool_listing", "fallback":
		return true
	}
	return b.Type != "tool_result" && strings.HasSuffix(b.Type, "_tool_result")
}

// addTo adds a block that may stand in messages of every role, and tells whether
// it was one.
func (b *block) addTo(s *Server, c *conversation, field string) (bool, error) {
	switch b.Type {
	case "tool_addition":
		if b.Tool.Type != "tool_definition" {
			return true, nil // of one that was offered already
		}
		return true, b.Tool.Definition.addTo(s, c, field+".tool.definition")
	case "tool_removal":
		c.removeTool(b.Tool.Name)
		return true, nil
	case "compaction": // what is left of a conversation
		for i := range b.Changes {
			at := fmt.Sprintf("%s.tool_changes[%d]", field, i)
			if b.Changes[i].Type == b.Type {
				return true, badRequest(at, "%s: a compaction within a compaction is not supported", at)
			}
			if _, err := b.Changes[i].addTo(s, c, at); err != nil {
				return true, err
			}
		}
		var summary string
		if !isNeutral(b.Content) && json.Unmarshal(b.Content, &summary, decoding) != nil {
			return true, badRequest(field+".content", "%s.content is not a string", field)
		}
		if summary != "" {
			c.user("", "Summary of the conversation so far:\n\n"+summary)
		}
		return true, nil
	}
	return b.elsewhere(), nil
}

func (m *blockMessage) addTo(s *Server, c *conversation, field string) error {
	var rest blocks // the blocks for this role alone
	for i := range m.Content {
		at := fmt.Sprintf("%s.content[%d]", field, i)
		done, err := m.Content[i].addTo(s, c, at)
		if err != nil {
			return err
		}
		if !done {
			m.Content[i].field = at
			rest = append(rest, m.Content[i])
		}
	}
	switch m.Role {
	case "user":
		return rest.addUser(s, c)
	case "system":
		text, err := rest.text(s, c, field+".content", false)
		c.instruct(text)
		return err
	case "assistant":
		return rest.addAssistant(c)
	}
	return unknownRole(field, m.Role, "user, assistant or system")
}

func (b blocks) addAssistant(c *conversation) error {
	calls := 0 // that are left
	for i := range b {
		if b[i].Type == "tool_use" {
			calls++
		}
	}
	for i := range b {
		one := &b[i]
		switch one.Type {
		case "tool_use":
			calls--
			if !toolName.MatchString(one.Name) {
				return badRequest(one.field, "%s: %q is no name of a tool", one.field, shorten(one.Name))
			}
			c.call(one.ID, one.Name, plainArguments(one.Input))
		case "thinking":
			c.think(one.Thinking)
		case "text":
			c.say(one.Text, calls > 0)
		default:
			return badRequest(one.field, "%s: content of type %q is not supported", one.field, shorten(one.Type))
		}
	}
	return nil
}

// addUser adds results of calls and then what the user says.
func (b blocks) addUser(s *Server, c *conversation) error {
	var said []string
	for i := range b {
		one := &b[i]
		if one.Type != "tool_result" {
			text, ok, err := one.words(s, c, one.field, false)
			if err != nil {
				return err
			}
			if !ok {
				return badRequest(one.field, "%s: content of type %q is not supported, only text", one.field, shorten(one.Type))
			}
			said = append(said, text)
			continue
		}
		text, err := one.result(s, c)
		if err != nil {
			return err
		}
		if one.IsError {
			text = "Error: " + text
		}
		if err := c.result(one.field+".tool_use_id", one.ToolUseID, "", text); err != nil {
			return err
		}
	}
	if len(said) > 0 {
		c.user("", joinParts(said))
	}
	return nil
}
