package server

import (
	"context"

	"expertfs/infer/harmony"
)

// newGuide returns the guide of a conversation's answer; nil if the model is free.
func (s *Server) newGuide(_ context.Context, c *conversation) (*guide, error) {
	if c.format.kind != formatText {
		return nil, unsupported("response_format")
	}
	return nil, nil
}

var _ = harmony.Final
