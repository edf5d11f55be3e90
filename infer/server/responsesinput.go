package server

import (
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// conversation translates the request.
func (q *responsesRequest) conversation(s *Server) (*conversation, error) {
	c := newConversation()
	if err := c.setReasoning("reasoning", q.Reasoning); err != nil {
		return nil, err
	}
	if err := c.setText("text", q.Text); err != nil {
		return nil, err
	}
	if err := c.addTools(s, q.Tools); err != nil {
		return nil, err
	}
	referred := 0 // bytes of the items that are referred to, which many may be to one
	for i, item := range q.Input {
		if item.Type != "item_reference" && (item.Type != "" || item.Role != "" || item.ID == "") {
			continue
		}
		known, bytes, ok := s.recent.get(item.ID)
		if !ok {
			field := fmt.Sprintf("input[%d]", i)
			return nil, badRequest(field, "%s: this server does not have the item %q, for it stores none; send the item itself", field, shorten(item.ID))
		}
		if referred += bytes; referred > maxBody {
			return nil, badRequest("input", "input: the items that it refers to have more than %d bytes", maxBody)
		}
		q.Input[i] = known
	}
	if err := q.Instructions.items.addTo(s, c, "instructions"); err != nil {
		return nil, err
	}
	if err := q.Input.addTo(s, c, "input"); err != nil {
		return nil, err
	}
	c.parallel = or(q.ParallelToolCalls, true)
	return c, c.openAIChoice(q.ToolChoice)
}

func (c *conversation) setReasoning(field string, r *responsesReasoning) error {
	if r == nil {
		return nil
	}
	return c.setEffort(field+".effort", r.Effort)
}

func (c *conversation) setText(field string, t *responsesText) error {
	if t == nil || t.Format == nil {
		return nil
	}
	var schema *schemaFormat
	if t.Format.Schema != nil {
		schema = &t.Format.schemaFormat
	}
	c.format = format{}
	return c.setFormat(field+".format", t.Format.Type, schema)
}

// addTools offers tools of Responses.
func (c *conversation) addTools(s *Server, tools []responsesTool) error {
	var q chatRequest // the same checks
	for _, t := range tools {
		q.Tools = append(q.Tools, t.chatTool)
	}
	return q.addTools(c, s)
}

// addTo adds all items.
func (in responsesInput) addTo(s *Server, c *conversation, field string) error {
	before := in.beforeCalls()
	for i := range in {
		s.noticeForeign(in[i].Content.foreign)
		s.noticeForeign(in[i].Output.foreign)
		if err := in[i].addTo(s, c, fmt.Sprintf("%s[%d]", field, i), before[i]); err != nil {
			return err
		}
	}
	return nil
}

// beforeCalls tells of each item whether a call follows it, with nothing but
// thoughts between: a message then was not the answer.
func (in responsesInput) beforeCalls() []bool {
	before := make([]bool, len(in))
	for i, call := len(in)-1, false; i >= 0; i-- {
		before[i] = call
		if in[i].Type != "reasoning" {
			call = in[i].Type == "function_call" || in[i].Type == "custom_tool_call"
		}
	}
	return before
}

// addTo adds the item. Before tells whether a call follows it.
func (it *inputItem) addTo(s *Server, c *conversation, field string, before bool) error {
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
			return unknownRole(field, it.Role, "user, assistant, system or developer")
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
			arguments = customArguments(it.Input)
		}
		c.call(it.CallID, it.Name, arguments)
	case "function_call_output", "custom_tool_call_output":
		return c.result(field+".call_id", it.CallID, "", it.Output.result())
	case "additional_tools", "tool_search_output":
		var tools []responsesTool
		if err := it.read(s, c, field+".tools", it.Tools, &tools); err != nil {
			return err
		}
		return c.addTools(s, tools)
	case "configuration_update":
		return it.configure(s, c, field)
	default:
		if !itemsOfOthers[it.Type] {
			return badRequest(field+".type", "%s: items of type %q are not supported", field, shorten(it.Type))
		}
		if s.noticed.first("items of type " + it.Type) {
			s.Log.Info("an item was left out that the model cannot be told of", "type", it.Type)
		}
	}
	return nil
}

// itemsOfOthers are items that say nothing here: of tools that other servers run
// or other models know, and what is secret to those who wrote it.
var itemsOfOthers = map[string]bool{
	"web_search_call": true, "file_search_call": true, "image_generation_call": true, "code_interpreter_call": true,
	"computer_call": true, "computer_call_output": true, "local_shell_call": true, "local_shell_call_output": true,
	"shell_call": true, "shell_call_output": true, "apply_patch_call": true, "apply_patch_call_output": true,
	"mcp_list_tools": true, "mcp_approval_request": true, "mcp_approval_response": true, "mcp_call": true,
	"tool_search_call": true, "compaction": true, "compaction_trigger": true, "program": true, "program_output": true,
}

// configure sets what the item says for what follows.
func (it *inputItem) configure(s *Server, c *conversation, field string) error {
	var r *responsesReasoning
	var t *responsesText
	if err := it.read(s, c, field+".reasoning", it.Reasoning, &r); err != nil {
		return err
	}
	if err := it.read(s, c, field+".text", it.Text, &t); err != nil {
		return err
	}
	if err := c.setReasoning(field+".reasoning", r); err != nil {
		return err
	}
	return c.setText(field+".text", t)
}

// read reads a member of the item into v.
func (it *inputItem) read(s *Server, c *conversation, field string, value jsontext.Value, v any) error {
	if isNeutral(value) {
		return nil
	}
	if err := json.Unmarshal(value, v, decoding, counting(&c.entries)); err != nil {
		return s.explainAt(field, err)
	}
	return nil
}
