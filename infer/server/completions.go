package server

import (
	"encoding/json"
	"net/http"

	"expertfs/infer/tokenizer"
)

// completionRequest is the body of /v1/completions.
type completionRequest struct {
	common
	Prompt prompt `json:"prompt"`

	// Accepted only with the values that change nothing.
	BestOf json.RawMessage `json:"best_of"`
	Echo   json.RawMessage `json:"echo"`
	Suffix json.RawMessage `json:"suffix"`
}

// prompt is a text or a list of token ids.
type prompt struct {
	text string
	ids  []int
}

func (p *prompt) UnmarshalJSON(data []byte) error {
	if data[0] == '"' {
		return json.Unmarshal(data, &p.text)
	}
	if json.Unmarshal(data, &p.ids) != nil {
		return badRequest("prompt", "prompt is neither a string nor a list of token ids")
	}
	return nil
}

// defaultMaxTokens is what the API documents for requests without max_tokens.
const defaultMaxTokens = 16

// serveCompletion answers POST /v1/completions.
func (s *Server) serveCompletion(w http.ResponseWriter, r *http.Request) {
	var q completionRequest
	ids, err := s.completionPrompt(w, r, &q)
	if err != nil {
		writeError(w, err)
		return
	}
	s.answer(r.Context(), &job{
		common: &q.common,
		prompt: ids,
		max:    min(s.Engine.Context()-len(ids), or(q.MaxTokens, defaultMaxTokens)),
		reader: textReader{s.Tokens.NewStream()},
		reply:  s.newReply(w, &q.common, false),
	})
}

// completionPrompt reads and checks the request and returns its tokens.
func (s *Server) completionPrompt(w http.ResponseWriter, r *http.Request, q *completionRequest) ([]int, error) {
	if err := s.decode(w, r, q); err != nil {
		return nil, err
	}
	if err := s.checkModel(q.Model); err != nil {
		return nil, err
	}
	if err := q.common.check(); err != nil {
		return nil, err
	}
	switch {
	case !isNeutral(q.BestOf, "1"):
		return nil, unsupported("best_of")
	case !isNeutral(q.Echo, "false"):
		return nil, unsupported("echo")
	case !isNeutral(q.Suffix, `""`):
		return nil, unsupported("suffix")
	}
	ids := q.Prompt.ids
	if ids == nil {
		ids = s.Tokens.Encode(q.Prompt.text)
	}
	for _, id := range ids {
		if id < 0 || id >= s.Engine.Vocab() {
			return nil, badRequest("prompt", "token id %d is outside of the vocabulary (0 to %d)", id, s.Engine.Vocab()-1)
		}
	}
	return ids, s.checkLength("prompt", ids)
}

// textReader decodes the tokens as they are.
type textReader struct{ stream *tokenizer.Stream }

func (t textReader) push(id int) (content, reasoning string, err error) {
	return t.stream.Push(id), "", nil
}

func (t textReader) finish() (content, reasoning string) {
	return t.stream.Flush(), ""
}
