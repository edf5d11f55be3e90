package scripted

import (
	"strconv"
	"strings"
)

// Assistant returns a script for clients that are to see all that an assistant
// does. It answers by what came last:
//
//	call NAME ARGUMENTS (of the user)  a thought, and that call
//	the result of a call               The tool said: RESULT
//	anything else                      a thought, and "2 + 2 = 4."
func Assistant(prompt string) string {
	messages := strings.Split(strings.TrimSuffix(prompt, "<|start|>assistant"), "<|start|>")
	header, content, _ := strings.Cut(messages[len(messages)-1], "<|message|>")
	content, _, _ = strings.Cut(content, "<|end|>")
	if strings.Contains(header, " to=assistant") {
		return "<|channel|>final<|message|>The tool said: " + content + "<|return|>"
	}
	if said, err := strconv.Unquote(strings.TrimSpace(content)); err == nil { // as opencode puts it
		content = said
	}
	if command, ok := strings.CutPrefix(strings.TrimSpace(content), "call "); ok {
		name, arguments, _ := strings.Cut(command, " ")
		return "<|channel|>analysis<|message|>Call it.<|end|><|start|>assistant<|channel|>commentary to=functions." + name +
			" <|constrain|>json<|message|>" + arguments + "<|call|>"
	}
	return "<|channel|>analysis<|message|>Easy.<|end|><|start|>assistant<|channel|>final<|message|>2 + 2 = 4.<|return|>"
}
