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

// forward returns the logits of x, at most logitsTogether tokens. They are valid
// until the next call.
func (h *head) forward(x vectors) vectors {
	normed := h.norm.forward(h.m, h.normed.take(x.n, x.width), x)
	return h.unembedding.forward(h.m, h.logits.take(x.n, h.unembedding.rows), normed)
}
