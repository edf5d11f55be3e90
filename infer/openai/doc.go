// Package openai serves a model over HTTP in the manner of OpenAI's API, as
// far as the most used part of it goes: chat completions, completions, and
// the list of models, each whole or as a stream of server-sent events.
//
// One request is computed at a time and the others wait in order of arrival.
// A client that goes away ends its request. What a request asks for and the
// server cannot do is refused with status 400 and an error object that names
// the field; nothing is ignored silently.
//
// In chats the system and developer messages of a request become developer
// messages of the harmony format, the model's final channel is the content of
// the reply, and its analysis is reasoning_content.
package openai
