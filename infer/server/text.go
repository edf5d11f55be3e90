package server

import (
	"context"

	"expertfs/infer/tokenizer"
)

func validText(s string) string { return tokenizer.ValidUTF8(s) }

// turnText prepares a chat's answer: the text that an engine continues, whose
// reader tells items to out and is left in where.
func (s *Server) turnText(ctx context.Context, c *conversation, stops []string, out sink, p *sampling, seed uint64,
	prompt []int, most, logprobs int, where **turn) (*text, error) {
	t := s.newTurn(c, stops, out)
	var err error
	if t.guide, err = s.newGuide(ctx, c); err != nil {
		return nil, err
	}
	ch, err := newChooser(p, seed)
	if err != nil {
		return nil, err
	}
	*where = t
	return &text{prompt: prompt, max: most, chooser: ch, logprobs: logprobs, reader: t}, nil
}
