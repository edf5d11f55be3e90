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
// prompt, and has its texts computed when their turns come, each on a goroutine:
// generate.go asks the Engine (engine.go) token by token, chooses (choose.go), and
// hands each token to a reader. Choices of one prompt have it computed once
// (origin.go).
//
// The reader of chats is a turn (turn.go): it makes items of the model's messages,
// which are thoughts, texts and calls (item.go), and tells them to the endpoint's
// sink, which writes them whole at the end or as events (stream.go). A guide
// (guide.go) binds headers and contents where the request asks for a form or a
// call; bind.go compiles the grammars.
//
// # Who owns what
//
// The Server owns the queue and the state of the engine (life.go). The Engine is
// shared; a text of it belongs to the goroutine that has a turn for it. The readers
// of a job and its sink belong to whoever holds the job's lock; a stream has a
// goroutine more, for comments.
//
// # What it promises
//
// As many texts are computed at a time as the engine has slots, and the others wait
// in order of arrival. Equal requests with a seed give equal answers, whatever else
// is computed. A client that goes away ends its
// request, while its prompt is encoded too. What costs work is bounded before it
// is done. What a request asks for and the server cannot do is refused with an
// error that names the field; what has no effect is accepted and named in the log.
// No answer is empty because a model left the format.
package server
