package server

import (
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// conversation translates the request.
func (q *chatRequest) conversation(s *Server) (*conversation, error) {
	c := newConversation()
	effort := q.ReasoningEffort
	if q.Reasoning != nil && effort == "" {
		effort = q.Reasoning.Effort
	}
	if q.TemplateKwargs != nil && effort == "" {
		effort = q.TemplateKwargs.Effort
	}
	if err := c.setEffort("reasoning_effort", effort); err != nil {
		return nil, err
	}
	for i := range q.Messages {
		field := fmt.Sprintf("messages[%d]", i)
		if err := q.Messages[i].addTo(s, c, field); err != nil {
			return nil, err
		}
		if err := refuse(field, q.Messages[i].Extra, inMessages, ""); err != nil {
			return nil, err
		}
		s.notice("messages[]", q.Messages[i].Extra)
		s.noticeForeign(q.Messages[i].Content.foreign)
		for _, extra := range q.Messages[i].Content.extra {
			s.notice("messages[].content[]", extra)
		}
	}
	c.parallel = or(q.ParallelToolCalls, true)
	if err := q.addTools(c, s); err != nil {
		return nil, err
	}
	if err := c.openAIChoice(q.ToolChoice); err != nil {
		return nil, err
	}
	return c, q.setFormat(c)
}

func (m *chatMessage) addTo(s *Server, c *conversation, field string) error {
	text := m.Content.result()
	if m.Role != "tool" && m.Role != "function" {
		var err error
		if m.Content.err != nil {
			return s.explainAt(field+".content", m.Content.err)
		}
		if text, err = m.Content.words(field + ".content"); err != nil {
			return err
		}
	}
	switch m.Role {
	case "system", "developer":
		c.instruct(text)
	case "user":
		c.user(m.Name, text)
	case "assistant":
		reasoning := m.Reasoning.text
		if reasoning == "" {
			reasoning = m.ReasoningContent.text
		}
		c.think(reasoning)
		calls := m.ToolCalls
		if m.FunctionCall != nil && m.FunctionCall.Name != "" {
			calls = append(calls, chatCall{Function: *m.FunctionCall})
		}
		c.say(text+m.Refusal, len(calls) > 0)
		for i, call := range calls {
			name, arguments := call.called()
			if !toolName.MatchString(name) {
				return badRequest(fmt.Sprintf("%s.tool_calls[%d].function.name", field, i), "%s.tool_calls[%d]: the call names no function", field, i)
			}
			c.call(call.ID, name, arguments)
		}
	case "tool", "function":
		if m.Name != "" && !toolName.MatchString(m.Name) {
			return badRequest(field+".name", "%s: %q is no name of a tool", field, shorten(m.Name))
		}
		return c.result(field+".tool_call_id", m.ToolCallID, m.Name, text)
	default:
		return unknownRole(field, m.Role, "system, developer, user, assistant or tool")
	}
	return nil
}

func unknownRole(field, role, known string) error {
	if role == "" {
		return badRequest(field+".role", "%s has no role: want %s", field, known)
	}
	return badRequest(field+".role", "%s: role %q is not supported: want %s", field, shorten(role), known)
}

// plainArguments returns the arguments of a call, which are a string of JSON, or
// the JSON itself.
func plainArguments(value jsontext.Value) string {
	var text string
	if value.Kind() == '"' && json.Unmarshal(value, &text, decoding) == nil {
		return text
	}
	if isNeutral(value) {
		return "{}"
	}
	return string(value)
}

// customArguments are the arguments of a call whose tool takes one text.
func customArguments(input string) string {
	quoted, _ := jsontext.AppendQuote(nil, input)
	return `{"input":` + string(quoted) + `}`
}

func (q *chatRequest) addTools(c *conversation, s *Server) error {
	for i, t := range q.Tools {
		field := fmt.Sprintf("tools[%d]", i)
		f := t.functionTool
		if t.Function != nil {
			f = *t.Function
		}
		if t.Type != "function" && t.Type != "" {
			s.noticeTool(t.Type)
			continue
		}
		if err := c.addTool(field+".function", f.Name, f.Description, f.Parameters, f.Strict); err != nil {
			return err
		}
	}
	return nil
}

// setFormat reads the form that the answer must have.
func (q *chatRequest) setFormat(c *conversation) error {
	var f chatFormat
	if q.ResponseFormat != nil {
		f = *q.ResponseFormat
	}
	schema := f.JSONSchema
	if schema == nil && !isNeutral(f.Schema) {
		schema = &schemaFormat{Schema: f.Schema}
	}
	if err := c.setFormat("response_format", f.Type, schema); err != nil {
		return err
	}
	if !isNeutral(q.JSONSchema) {
		if err := c.format.without("json_schema"); err != nil {
			return err
		}
		if err := c.setFormat("json_schema", "json_schema", &schemaFormat{Schema: q.JSONSchema}); err != nil {
			return err
		}
	}
	if q.Grammar == "" {
		return nil
	}
	if err := c.format.without("grammar"); err != nil {
		return err
	}
	c.format = format{field: "grammar", kind: formatGrammar, source: []byte(q.Grammar)}
	return nil
}

// without returns an error if there is a form already where field asks for one.
func (f format) without(field string) error {
	if f.kind == formatText {
		return nil
	}
	return badRequest(field, "%s and %s exclude each other: give one", field, f.field)
}

// setFormat sets the form of the answer, as OpenAI's APIs name it.
func (c *conversation) setFormat(field, kind string, schema *schemaFormat) error {
	switch kind {
	case "", "text":
	case "json_object":
		c.format = format{field: field, kind: formatObject}
		if schema != nil {
			c.format = format{field: field, kind: formatSchema, name: "answer", source: schema.Schema}
		}
	case "json_schema":
		if schema == nil || schema.Schema.Kind() != '{' && schema.Schema.Kind() != 't' {
			return badRequest(field, "%s of type json_schema has no schema", field)
		}
		if len(schema.Schema) > mostSchemas {
			return badRequest(field, "%s: the schema has more than %d bytes", field, mostSchemas)
		}
		c.format = format{field: field, kind: formatSchema, name: schema.Name, description: schema.Description, source: schema.Schema}
		if c.format.name == "" {
			c.format.name = "answer"
		}
	default:
		return badRequest(field, "%s of type %q is not supported: want text, json_object or json_schema", field, shorten(kind))
	}
	return nil
}
