package infer

// logitsTogether bounds the tokens whose logits are computed together: one
// token's are 0.8 MB with a vocabulary of 201088.
const logitsTogether = 16

// head makes logits of the residual stream:
//
//	logits = unembedding(norm(x))
type head struct {
	m           *machine
	norm        norm
	unembedding linear

	normed, logits buffer // of the last forward
}

// forward returns the logits of some rows of x, at most logitsTogether. They are
// valid until the next call.
func (h *head) forward(x vectors, rows []int) vectors {
	normed := h.normed.take(len(rows), x.width)
	h.m.run(len(rows), func(_, i int) { h.norm.one(normed.at(i), x.at(rows[i])) })
	return h.unembedding.forward(h.m, h.logits.take(len(rows), h.unembedding.rows), normed)
}
