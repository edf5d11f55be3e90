package server

import "expertfs/infer/tokenizer"

func validText(s string) string { return tokenizer.ValidUTF8(s) }

// turnText prepares a chat's answer, bound to f: the text that an engine continues,
// whose reader tells items to out and is left in where.
func (s *Server) turnText(c *conversation, f *forms, stops []string, out sink, p *sampling, seed uint64,
	prompt []int, most, logprobs int, where **turn) (*text, error) {
	ch, err := newChooser(p, seed)
	if err != nil {
		return nil, err
	}
	t := s.newTurn(c, stops, out)
	t.guide = s.newGuide(f)
	*where = t
	return &text{prompt: prompt, max: most, chooser: ch, logprobs: logprobs, reader: t}, nil
}
