package infer

// layer is one of the model's equal parts. Both of its blocks add to the residual
// stream.
type layer struct {
	attention *attention
	mixture   *mixture
}

// forward takes x, the residual stream of tokens at the given positions, through
// the layer. Caches have the layer's keys and values of the tokens before, by piece.
func (l *layer) forward(x vectors, caches []*kvCache, at positions) error {
	l.attention.forward(x, caches, at)
	return l.mixture.forward(x, at)
}
