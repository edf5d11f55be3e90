package infer

// Fork returns a session with the text and the Logits of s. Each goes on by itself,
// and they share the memory of what they have in common. It is nil unless the last
// tokens of s were computed: a text that was cut or restored has no Logits either.
func (s *Session) Fork() *Session {
	f := s.e.NewSession()
	if s.Len() == 0 {
		return f
	}
	st := s.State(0, s.Len())
	if s.logits == nil || st == nil {
		return nil
	}
	if f.Restore(s.ids, []*State{st}) != nil {
		return nil
	}
	f.setLogits(s.logits)
	return f
}

// SessionBytes is about the most memory that a session of so many tokens takes: its
// keys and values, and the logits after its last token.
func (e *Engine) SessionBytes(tokens int) int64 { return e.Shape().SessionBytes(tokens) }

// SessionBytes is what Engine.SessionBytes would be of an engine of the shape.
func (s *Shape) SessionBytes(tokens int) int64 {
	block := int64(2*s.Heads*s.KV.rowBytes(s.HeadDim)) * blockLen
	var blocks int
	for _, sliding := range s.Sliding {
		kept := tokens
		if sliding {
			kept = min(tokens, s.Window+s.Batch+blockLen)
		}
		blocks += (kept + blockLen - 1) / blockLen
	}
	return int64(blocks)*block + 4*int64(s.Vocab)
}
