package server

import "context"

// Engine is a model that computes several texts at a time. Its methods may be called
// by several goroutines.
type Engine interface {
	// Vocab is how many ids the model takes, from 0.
	Vocab() int
	// Context is the most tokens that a text can have.
	Context() int
	// Slots is how many texts are computed at a time, at least one.
	Slots() int
	// Prompt makes texts of ids, which are not empty: one, and others that go on by
	// themselves, as many as most in all while there is room. It tells how many of
	// the first ids did not have to be computed. With each, which sees the logits
	// after every token in order and must not keep them, all are computed; it is
	// not called any more when Prompt has returned, and other texts wait for it. When
	// ctx ends it returns ctx's error. All texts are to be closed.
	Prompt(ctx context.Context, ids []int, most int, each func(position int, logits []float32)) (t []Text, reused int, err error)
}

// Text is a text of an Engine. It is used by one goroutine at a time. What it says
// does not depend on the others. Texts that wait for their first Append take no slot.
type Text = interface {
	// Append adds ids to the text. When ctx ends it returns ctx's error.
	Append(ctx context.Context, ids []int) error
	// Logits are the scores of the token after the text, one for each id. They
	// are not to be changed, and hold until the text does.
	Logits() []float32
	// Close ends the use of the text.
	Close()
}
