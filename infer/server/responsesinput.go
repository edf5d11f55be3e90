package server

import (
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// conversation translates the request.
func (q *responsesRequest) conversation(s *Server) (*conversation, error) {
	c := newConversation()
	if q.Reasoning != nil {
		if err := c.setEffort("reasoning.effort", q.Reasoning.Effort); err != nil {
			return nil, err
		}
	}
	c.instruct(q.Instructions.text)
	for i, item := range q.Input {
		if item.Type != "item_reference" && (item.Type != "" || item.Role != "" || item.ID == "") {
			continue
		}
		known, ok := s.recent.get(item.ID)
		if !ok {
			field := fmt.Sprintf("input[%d]", i)
			return nil, badRequest(field, "%s: this server does not have the item %q, for it stores none; send the item itself", field, shorten(item.ID))
		}
		q.Input[i] = known
	}
	for i := range q.Input {
		s.noticeForeign(q.Input[i].Content.foreign)
		s.noticeForeign(q.Input[i].Output.foreign)
		if err := q.Input[i].addTo(c, fmt.Sprintf("input[%d]", i), q.calledBefore(i)); err != nil {
			return nil, err
		}
	}
	c.parallel = or(q.ParallelToolCalls, true)
	var tools chatRequest // the same checks
	for _, t := range q.Tools {
		tools.Tools = append(tools.Tools, t.chatTool)
	}
	if err := tools.addTools(c, s); err != nil {
		return nil, err
	}
	if err := c.openAIChoice(q.ToolChoice); err != nil {
		return nil, err
	}
	if q.Text == nil || q.Text.Format == nil {
		return c, nil
	}
	f := q.Text.Format
	var schema *schemaFormat
	if f.Schema != nil {
		schema = &f.schemaFormat
	}
	return c, c.setFormat("text.format", f.Type, schema)
}

// calledBefore tells whether a call follows the message at i before the next one
// of the user: the message then came before the call, and was not the answer.
func (q *responsesRequest) calledBefore(i int) bool {
	for _, item := range q.Input[i+1:] {
		switch {
		case item.isCall():
			return true
		case item.Type == "reasoning":
		default:
			return false
		}
	}
	return false
}

func (it *inputItem) isCall() bool {
	return it.Type == "function_call" || it.Type == "custom_tool_call"
}

// addTo adds the item. Before tells whether a call follows it.
func (it *inputItem) addTo(c *conversation, field string, before bool) error {
	switch it.Type {
	case "", "message":
		switch it.Role {
		case "user":
			c.user("", it.Content.text)
		case "system", "developer":
			c.instruct(it.Content.text)
		case "assistant":
			c.say(it.Content.text, before)
		default:
			return badRequest(field+".role", "%s: role %q is not supported", field, shorten(it.Role))
		}
	case "reasoning":
		text := it.Content.text
		if text == "" {
			text = it.Summary.text
		}
		c.think(text)
	case "function_call", "custom_tool_call":
		if !toolName.MatchString(it.Name) {
			return badRequest(field+".name", "%s: %q is no name of a tool", field, shorten(it.Name))
		}
		arguments := plainArguments(it.Arguments)
		if it.Type == "custom_tool_call" {
			quoted, _ := jsontext.AppendQuote(nil, it.Input)
			arguments = `{"input":` + string(quoted) + `}`
		}
		c.call(it.CallID, it.Name, arguments)
	case "function_call_output", "custom_tool_call_output":
		if !c.result(it.CallID, "", it.Output.text) {
			return badRequest(field+".call_id", "%s: there is no call before it that this could be the result of", field)
		}
	}
	// Items of tools that other servers run themselves say nothing here.
	return nil
}
