package server

import "context"

// Engine is a model that holds one text. It is used by one goroutine at a time.
type Engine interface {
	// Vocab is how many ids the model takes, from 0.
	Vocab() int
	// Context is the most tokens that a text can have.
	Context() int
	// Prompt makes ids, which are not empty, the text, and tells how many of its
	// first tokens did not have to be computed. With each, which sees the logits
	// after every token in order and must not keep them, all are computed. When
	// ctx ends it returns ctx's error.
	Prompt(ctx context.Context, ids []int, each func(position int, logits []float32)) (reused int, err error)
	// Append adds ids to the text. When ctx ends it returns ctx's error.
	Append(ctx context.Context, ids []int) error
	// Logits are the scores of the token after the text, one for each id. They
	// are not to be changed, and hold until the text does.
	Logits() []float32
}
