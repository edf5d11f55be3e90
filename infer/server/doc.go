// Package server serves a model over HTTP as OpenAI's and Anthropic's APIs do;
// docs/api.md says exactly what.
//
// # A request's way
//
// The route table (routes.go) names the handler of each path; an endpoint is one
// file for its requests and one for its answers. It reads a request
// (decode.go), and translates it to the internal form: a conversation
// (conversation.go), or the tokens of a text. From there on all requests are
// alike. A job (job.go) has a place in the queue (queue.go), makes tokens of the
// prompt, and has its texts computed when its turn comes: generate.go asks the
// Engine (engine.go) token by token, chooses (choose.go), and hands each token to
// a reader.
//
// The reader of chats is a turn (turn.go): it makes items of the model's messages,
// which are thoughts, texts and calls (item.go), and tells them to the endpoint's
// sink, which writes them whole at the end or as events (stream.go). A guide
// (guide.go) binds headers and contents where the request asks for a form or a
// call; bind.go compiles the grammars.
//
// # Who owns what
//
// The Server owns the queue and the state of the engine (life.go). Whoever has the
// turn owns the Engine, and nobody else touches it. A job, its turns and its sink
// belong to its handler's goroutine; a stream has a second one, for comments.
//
// # What it promises
//
// One request is computed at a time and the others wait in order of arrival.
// Equal requests with a seed give equal answers. A client that goes away ends its
// request, while its prompt is encoded too. What costs work is bounded before it
// is done. What a request asks for and the server cannot do is refused with an
// error that names the field; what has no effect is accepted and named in the log.
// No answer is empty because a model left the format.
package server
