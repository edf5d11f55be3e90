package harmony

import "strings"

// functions is the namespace of the tools that a developer message defines.
const functions = "functions"

// Function is a tool that the model may call.
type Function struct {
	Name        string
	Description string
	Parameters  []byte // a JSON schema of the arguments; nil: there are none
}

// toolSection renders tools as the model was shown them in training, as
// declarations of TypeScript.
func toolSection(tools []Function) string {
	var b strings.Builder
	b.WriteString("# Tools\n\n## " + functions + "\n\nnamespace " + functions + " {\n\n")
	for _, t := range tools {
		comment(&b, "", t.Description)
		b.WriteString("type " + t.Name + " = " + signature(t.Parameters) + " => any;\n\n")
	}
	b.WriteString("} // namespace " + functions)
	return b.String()
}

// signature renders the parameters of a tool. A schema without properties is
// rendered as none, as the models' own template has it.
func signature(parameters []byte) string {
	schema := parseSchema(parameters)
	if schema == nil || schema.isObject() && len(schema.get("properties").members()) == 0 {
		return "()"
	}
	left := longest
	t := typescript{root: schema, left: &left}
	return "(_: " + t.typeOf(schema, "", 0) + ")"
}

// comment writes each line of text as a comment.
func comment(b *strings.Builder, indent, text string) {
	if text == "" {
		return
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		b.WriteString(strings.TrimRight(indent+"// "+line, " \r") + "\n")
	}
}

// FunctionName returns the name of the tool that a recipient stands for, as in
// "functions.get_weather".
func FunctionName(recipient string) string {
	return strings.TrimPrefix(recipient, functions+".")
}

// FunctionRecipient is the recipient that stands for a tool.
func FunctionRecipient(name string) string { return functions + "." + name }
