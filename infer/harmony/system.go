package harmony

import "strings"

// SystemContent is what a system message of the published models says.
type SystemContent struct {
	Effort    Effort
	Cutoff    string   // of the model's knowledge, as 2006-01; empty: that of the published models
	Date      string   // as 2006-01-02; left out where it is empty
	Channels  []string // nil: all three
	Functions bool     // the developer message defines tools
}

// Message returns the system message with that content.
func (s SystemContent) Message() Message {
	var b strings.Builder
	cutoff, channels := s.Cutoff, s.Channels
	if cutoff == "" {
		cutoff = "2024-06"
	}
	if channels == nil {
		channels = []string{Analysis, Commentary, Final}
	}
	b.WriteString("You are ChatGPT, a large language model trained by OpenAI.\nKnowledge cutoff: " + cutoff + "\n")
	if s.Date != "" {
		b.WriteString("Current date: " + s.Date + "\n")
	}
	b.WriteString("\nReasoning: " + string(s.Effort) +
		"\n\n# Valid channels: " + strings.Join(channels, ", ") + ". Channel must be included for every message.")
	if s.Functions {
		b.WriteString("\nCalls to these tools must go to the commentary channel: '" + functions + "'.")
	}
	return Message{Header{Role: System}, b.String()}
}

// SystemMessage returns the system message for an effort and a date, where
// there are no tools.
func SystemMessage(effort Effort, date string) Message {
	return SystemContent{Effort: effort, Date: date}.Message()
}

// DeveloperContent is what a developer message says: what other chat formats
// call the system prompt, the tools that can be called and the form of answers.
type DeveloperContent struct {
	Instructions string
	Tools        []Function
	Formats      []Format
}

// Format is a form that answers are to have.
type Format struct {
	Name        string
	Description string
	Schema      []byte // a JSON schema
}

// Message returns the developer message with that content.
func (d DeveloperContent) Message() Message {
	var sections []string
	if d.Instructions != "" {
		sections = append(sections, "# Instructions\n\n"+d.Instructions)
	}
	if len(d.Tools) > 0 {
		sections = append(sections, toolSection(d.Tools))
	}
	if len(d.Formats) > 0 {
		sections = append(sections, formatSection(d.Formats))
	}
	return Message{Header{Role: Developer}, strings.Join(sections, "\n\n")}
}

// DeveloperMessage returns the message that carries instructions alone.
func DeveloperMessage(instructions string) Message {
	return DeveloperContent{Instructions: instructions}.Message()
}

func formatSection(formats []Format) string {
	var b strings.Builder
	b.WriteString("# Response Formats")
	for _, f := range formats {
		b.WriteString("\n\n## " + f.Name + "\n\n")
		comment(&b, "", f.Description)
		if schema := parseSchema(f.Schema); schema != nil {
			b.WriteString(schema.json())
		}
	}
	return b.String()
}
