package server

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

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
