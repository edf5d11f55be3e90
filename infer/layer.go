package infer

// layer is one of the model's equal parts. Both of its blocks add to the residual
// stream, and leave nothing else for each other.
type layer struct {
	attention *attention
	mixture   *mixture
}
