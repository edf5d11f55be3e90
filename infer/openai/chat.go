package openai

import (
	"net/http"

	"expertfs/infer/harmony"
)

func (s *Server) serveChat(w http.ResponseWriter, r *http.Request) {
	var q chatRequest
	prompt, err := s.chatPrompt(w, r, &q)
	if err != nil {
		writeError(w, err)
		return
	}
	most := s.Context - len(prompt)
	s.answer(r.Context(), &job{
		common: &q.common,
		prompt: prompt,
		max:    min(most, or(q.MaxTokens, most)),
		reader: chatReader{s.Chat.NewParser()},
		reply:  s.newReply(w, &q.common, true),
	})
}

// chatPrompt reads and checks the request and returns its tokens.
func (s *Server) chatPrompt(w http.ResponseWriter, r *http.Request, q *chatRequest) ([]int, error) {
	if s.Chat == nil {
		return nil, badRequest("", "the model %s has no chat format", s.Model)
	}
	if err := s.decode(w, r, q); err != nil {
		return nil, err
	}
	if err := s.checkModel(q.Model); err != nil {
		return nil, err
	}
	if err := q.check(); err != nil {
		return nil, err
	}
	messages, err := q.conversation(s.System)
	if err != nil {
		return nil, err
	}
	prompt, err := s.Chat.Prompt(messages)
	if err != nil {
		return nil, err
	}
	return prompt, s.checkLength("messages", prompt)
}

// chatReader reads messages of the assistant. Calls of tools, which no request
// can have offered, are not shown.
type chatReader struct{ parser *harmony.Parser }

func (c chatReader) push(id int) (content, reasoning string, err error) {
	text, err := c.parser.Push(id)
	content, reasoning = c.sort(text)
	return content, reasoning, err
}

func (c chatReader) finish() (content, reasoning string) {
	return c.sort(c.parser.Finish())
}

func (c chatReader) sort(text string) (content, reasoning string) {
	switch h := c.parser.Header(); {
	case h.Channel == harmony.Analysis:
		return "", text
	case h.Recipient != "":
		return "", ""
	}
	return text, ""
}
