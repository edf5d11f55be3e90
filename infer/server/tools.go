package server

import (
	"errors"
	"regexp"
	"slices"

	"expertfs/infer/harmony"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// toolName is what names of tools may be like.
var toolName = regexp.MustCompile(`^[A-Za-z0-9_.:/-]{1,128}$`)

// mostTools bounds the tools of a request, mostSchemas the bytes of the schemas of
// all tools, or of an answer.
const (
	mostTools   = 1024
	mostSchemas = 2 << 20
)

// addTool offers a tool. Parameters may be left out.
func (c *conversation) addTool(field, name, description string, parameters jsontext.Value, strict bool) error {
	switch {
	case !toolName.MatchString(name):
		return badRequest(field, "%s: %q is no name for a tool: want at most 128 letters, digits, _, -, ., : and /", field, shorten(name))
	case parameters != nil && parameters.Kind() != '{' && parameters.Kind() != 'n':
		return badRequest(field, "%s: the parameters of %s are not a JSON schema", field, name)
	case len(c.tools) == mostTools:
		return badRequest("tools", "tools has more than %d entries", mostTools)
	}
	if c.schemas += len(parameters); c.schemas > mostSchemas {
		return badRequest(field, "%s: the parameters of all tools have more than %d bytes", field, mostSchemas)
	}
	c.tools = append(c.tools, tool{harmony.Function{Name: name, Description: description, Parameters: parameters}, field, strict})
	return nil
}

// removeTool takes back the offer of a tool.
func (c *conversation) removeTool(name string) {
	c.tools = slices.DeleteFunc(c.tools, func(t tool) bool { return t.Name == name })
}

// choose sets what the model is to do with the tools. Names are those that may be
// called; none stands for all.
func (c *conversation) choose(field string, mode choiceMode, names ...string) error {
	for _, name := range names {
		found := false
		for _, t := range c.tools {
			found = found || t.Name == name
		}
		if !found {
			return badRequest(field, "%s: there is no tool %q among tools", field, shorten(name))
		}
	}
	if mode == choiceRequired && len(c.tools) == 0 {
		return badRequest(field, "%s asks for a call, and tools has no function", field)
	}
	c.choice = choice{mode, names}
	return nil
}

// openAIChoice reads the tool_choice of OpenAI's APIs.
func (c *conversation) openAIChoice(value jsontext.Value) error {
	const field = "tool_choice"
	if isNeutral(value) {
		return nil
	}
	var name string
	if value.Kind() == '"' && json.Unmarshal(value, &name) == nil {
		mode, ok := choiceNames[name]
		if !ok {
			return badRequest(field, "tool_choice %q is not auto, none or required", shorten(name))
		}
		return c.choose(field, mode)
	}
	type allowed struct {
		Mode  string     `json:"mode"`
		Tools namedTools `json:"tools"`
	}
	var v struct {
		Type string `json:"type"`
		namedTool
		allowed
		AllowedTools *allowed `json:"allowed_tools"`
	}
	var bound *apiError
	if err := json.Unmarshal(value, &v, decoding); errors.As(err, &bound) {
		return badRequest(field, "%s: %s", field, bound.Message)
	} else if err != nil {
		return badRequest(field, "tool_choice is neither a word nor an object that names a tool")
	}
	switch v.Type {
	case "auto", "none", "required":
		return c.choose(field, choiceNames[v.Type])
	case "function", "custom":
		return c.choose(field, choiceRequired, v.Name+v.Function.Name+v.Custom.Name)
	case "allowed_tools":
		a := or(v.AllowedTools, v.allowed)
		var names []string
		for _, t := range a.Tools {
			names = append(names, t.Name+t.Function.Name+t.Custom.Name)
		}
		return c.choose(field, choiceNames[a.Mode], names...)
	}
	return badRequest(field, "tool_choice of type %q is not supported", shorten(v.Type))
}

// namedTool names a tool in any of three ways.
type namedTool struct {
	Name     string    `json:"name"`
	Function chatNamed `json:"function"`
	Custom   chatNamed `json:"custom"`
}

// namedTools are no more than a request may have tools.
type namedTools []namedTool

func (n *namedTools) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() != '[' {
		return json.UnmarshalDecode(d, (*[]namedTool)(n))
	}
	return readList(d, mostTools, func() error {
		var one namedTool
		err := json.UnmarshalDecode(d, &one)
		*n = append(*n, one)
		return err
	})
}

var choiceNames = map[string]choiceMode{"auto": choiceAuto, "none": choiceNone, "required": choiceRequired, "any": choiceRequired}
