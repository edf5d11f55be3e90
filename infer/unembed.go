package infer

// logitsTogether bounds the tokens whose logits are computed together: one
// token's are 0.8 MB with a vocabulary of 201088.
const logitsTogether = 16

// logits computes the scores of the last of n tokens if last is set, and hands
// those of all tokens to each if it is given.
func (e *Engine) logits(s *Session, n int, last bool, each func(int, []float32)) error {
	first := n - 1
	switch {
	case each != nil:
		first = 0
	case !last:
		return nil
	}
	w, h, v := &e.work, e.cfg.Hidden, e.cfg.Vocab
	for first < n {
		count := min(logitsTogether, n-first)
		w.normed = resize(w.normed, count*h)
		if err := e.normalize(w.normed, first, count, e.head.Norm); err != nil {
			return err
		}
		if err := e.prepare(&w.in, w.normed, count, h, e.denseAct()); err != nil {
			return err
		}
		w.vocab = resize(w.vocab, count*v)
		if err := e.mul(w.vocab, e.head.Unembedding, v, e.denseRowBytes(h), &w.in, nil); err != nil {
			return err
		}
		if each != nil {
			for t := range count {
				each(s.n+first+t, w.vocab[t*v:(t+1)*v])
			}
		}
		first += count
		if first == n && last {
			s.logits = append(s.logits[:0], w.vocab[(count-1)*v:count*v]...)
		}
	}
	return nil
}
