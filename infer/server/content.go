package server

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"expertfs/infer/harmony"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// content is a text, or a list of parts. The model reads texts only: of what
// else a part has it is told in words, and those who would rather refuse it ask
// for words.
type content struct {
	text    string
	foreign string // the type of the first part that is no text, or ""
	at      int    // where that part stands
	extra   []unnoticed
}

// part is one of a list: those of OpenAI's two APIs have the same fields.
type part struct {
	Type     string    `json:"type"`
	Text     string    `json:"text"`
	Refusal  string    `json:"refusal"`
	Filename string    `json:"filename"`
	Extra    unnoticed `json:",embed"`
}

// UnmarshalJSONFrom of a part takes a bare string too.
func (p *part) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() == '"' {
		p.Type = "text"
		return json.UnmarshalDecode(d, &p.Text)
	}
	type plain part
	return json.UnmarshalDecode(d, (*plain)(p))
}

func (c *content) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if k := d.PeekKind(); k == '"' || k == 'n' {
		return json.UnmarshalDecode(d, &c.text)
	}
	if d.PeekKind() != '[' {
		return nothingElse(d, "a string or a list of parts")
	}
	var parts []part
	if err := json.UnmarshalDecode(d, &parts); err != nil {
		return err
	}
	texts := make([]string, 0, len(parts))
	for i, p := range parts {
		switch p.Type {
		case "text", "input_text", "output_text", "summary_text", "reasoning_text":
			texts = append(texts, p.Text)
		case "refusal":
			texts = append(texts, p.Refusal)
		case "thinking", "redacted_thinking", "reasoning":
			// Of other models: what is to be seen of thoughts comes beside the content.
		default:
			if p.Type == "" && p.Text != "" { // it can be nothing else
				texts = append(texts, p.Text)
				break
			}
			told, ok := toldOf(p.Type, p.Filename)
			if !ok {
				return fmt.Errorf("part %d: content of type %q is not supported, only text", i, shorten(p.Type))
			}
			texts = append(texts, told)
			if c.foreign == "" {
				c.foreign, c.at = p.Type, i
			}
			continue
		}
		if len(p.Extra) > 0 && len(c.extra) < 10 {
			c.extra = append(c.extra, p.Extra)
		}
	}
	c.text = joinParts(texts)
	return nil
}

// words returns the text, or an error where there is anything else.
func (c *content) words(field string) (string, error) {
	if c.foreign != "" {
		return "", badRequest(field, "%s: part %d: content of type %q is not supported, only text", field, c.at, c.foreign)
	}
	return c.text, nil
}

// anyContent is content, or any other JSON, which is what some clients give as the
// result of a tool.
type anyContent struct {
	content
	other jsontext.Value // what is no content
	err   error          // why it is none
}

func (c *anyContent) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if k := d.PeekKind(); k == '"' || k == 'n' {
		return c.content.UnmarshalJSONFrom(d)
	}
	value, err := d.ReadValue()
	if err != nil {
		return err
	}
	value = value.Clone()
	inner := jsontext.NewDecoder(bytes.NewReader(value), d.Options())
	err = json.UnmarshalDecode(inner, &c.content, d.Options())
	var bound *apiError
	if err != nil && !errors.As(err, &bound) {
		*c = anyContent{other: value, err: err}
		return nil
	}
	return err
}

// result returns the text of a tool's result.
func (c *anyContent) result() string {
	if c.other != nil {
		return string(c.other)
	}
	return c.text
}

// toldOf puts into words that there is something that the model cannot see. It
// tells whether clients send such things.
func toldOf(kind, name string) (string, bool) {
	what := map[string]string{
		"image_url": "picture", "input_image": "picture", "image": "picture", "input_file": "file", "file": "file", "document": "file",
		"input_audio": "sound", "audio": "sound", "input_video": "film", "video_url": "film",
	}[kind]
	if name != "" {
		name = " " + name
	}
	return "(Here is a " + what + name + ". You can read text only and do not see it.)", what != ""
}

// joinParts makes one text of several. Where there is no blank between two of
// them the second begins a line.
func joinParts(texts []string) string {
	const blank = " \t\r\n"
	var b strings.Builder
	for _, text := range texts {
		before := b.String()
		if before != "" && text != "" && !strings.ContainsRune(blank, rune(before[len(before)-1])) && !strings.ContainsRune(blank, rune(text[0])) {
			b.WriteByte('\n')
		}
		b.WriteString(text)
	}
	return b.String()
}

// noticeForeign says in the log, once for each type, that the model does not see
// what a client has sent.
func (s *Server) noticeForeign(kind string) {
	if kind != "" && s.noticed.first("content of type "+kind) {
		s.Log.Info("the model is told of content that it cannot see", "type", kind)
	}
}

// parseEffort reads the name of an effort, in place of which clients may have
// written others than the models know.
func (c *conversation) setEffort(field, name string) error {
	switch name {
	case "":
	case "none":
		c.effort, c.noThoughts = harmony.Low, true
	case "xhigh", "max":
		c.effort = harmony.High
	default:
		effort, err := harmony.ParseEffort(shorten(name))
		if err != nil {
			return badRequest(field, "%s: %v", field, err)
		}
		c.effort = effort
	}
	return nil
}

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
