package harmony

import "fmt"

// Role is the author of a message.
type Role string

const (
	System    Role = "system"    // facts about the model and the conversation
	Developer Role = "developer" // instructions of whoever runs the model
	User      Role = "user"
	Assistant Role = "assistant" // the model
	Tool      Role = "tool"      // rendered by its name instead
)

// The channels of the assistant's messages.
const (
	Analysis   = "analysis"
	Commentary = "commentary"
	Final      = "final"
)

// Header is what stands before the content of a message. Everything but the
// role may be empty.
type Header struct {
	Role        Role
	Name        string // of the author; a Tool must have one
	Recipient   string // who is called, as in "functions.get_weather"
	Channel     string
	ContentType string // may begin with "<|constrain|>", which then is that token
}

// Message is one message of a conversation.
type Message struct {
	Header
	Content string
}

// Effort is how much the model is to reason before it answers.
type Effort string

const (
	Low    Effort = "low"
	Medium Effort = "medium"
	High   Effort = "high"
)

// ParseEffort reads the name of an effort. The models know three; "minimal" is
// low to them.
func ParseEffort(name string) (Effort, error) {
	switch e := Effort(name); e {
	case Low, Medium, High:
		return e, nil
	case "minimal":
		return Low, nil
	}
	return "", fmt.Errorf("reasoning effort %q is not minimal, low, medium or high", name)
}
