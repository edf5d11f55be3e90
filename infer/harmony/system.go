package harmony

// SystemMessage returns the system message of the published models for an
// effort. The date, as 2006-01-02, is left out where it is empty.
func SystemMessage(effort Effort, date string) Message {
	text := "You are ChatGPT, a large language model trained by OpenAI.\nKnowledge cutoff: 2024-06\n"
	if date != "" {
		text += "Current date: " + date + "\n"
	}
	text += "\nReasoning: " + string(effort) +
		"\n\n# Valid channels: analysis, commentary, final. Channel must be included for every message."
	return Message{Header{Role: System}, text}
}

// DeveloperMessage returns the message that carries instructions, which other
// chat formats call the system prompt.
func DeveloperMessage(instructions string) Message {
	return Message{Header{Role: Developer}, "# Instructions\n\n" + instructions}
}
