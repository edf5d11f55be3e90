// Package server serves a model over HTTP in the manner of OpenAI's API.
//
// # A request's way
//
// The route table (routes.go) names the handler of each path; an endpoint is one
// file, with the types of its requests and answers. It translates a request to
// the internal form, a conversation (conversation.go) or plain tokens, and from
// there on all requests are alike: a job (job.go) waits for its turn
// (queue.go), an Engine computes it token by token (engine.go, generate.go), a
// reader turns tokens into text, and the endpoint's reply writes it, whole or
// as a stream.
//
// # Who owns what
//
// The Server owns the queue. Whoever has the turn owns the Engine, and nobody
// else touches it. A job belongs to its handler's goroutine.
//
// One request is computed at a time and the others wait in order of arrival.
// A client that goes away ends its request. What a request asks for and the
// server cannot do is refused with status 400 and an error object that names
// the field; nothing is ignored silently.
//
// In chats the system and developer messages of a request become developer
// messages of the harmony format, the model's final channel is the content of
// the reply, and its analysis is reasoning_content.
package server
