package server

import "expertfs/infer/harmony"

// conversation is what the requests of all chat endpoints are translated to.
type conversation struct {
	effort   harmony.Effort
	messages []harmony.Message // of the request, in order
}

// prompt returns the tokens of c, after the messages that begin every chat, and
// of the beginning of the assistant's answer.
func (s *Server) prompt(c *conversation) ([]int, error) {
	return s.Chat.Prompt(append(s.System(c.effort), c.messages...))
}
