package server

import (
	"context"
	"errors"
	"net/http"

	"expertfs/infer/tokenizer"
)

// serveTokenize answers POST /tokenize, as llama-server does, and vLLM with other
// names: evaluation harnesses ask for their tokens so.
func (s *Server) serveTokenize(w http.ResponseWriter, r *http.Request) {
	if err := s.tokenize(w, r); err != nil {
		writeError(w, openAIError, err)
	}
}

func (s *Server) tokenize(w http.ResponseWriter, r *http.Request) error {
	var q tokenizeRequest
	if err := s.decode(w, r, &q); err != nil {
		return err
	}
	ids, err := q.encode(r.Context(), s)
	if err != nil {
		return err
	}
	if !q.WithPieces {
		writeJSON(w, http.StatusOK, map[string]any{"tokens": append([]int{}, ids...), "count": len(ids), "max_model_len": s.context()})
		return nil
	}
	type piece struct {
		ID    int `json:"id"`
		Piece any `json:"piece"` // a text, or bytes where it is none
	}
	pieces := make([]piece, len(ids))
	for i, id := range ids {
		text := s.Tokens.Bytes(id)
		pieces[i] = piece{id, text}
		if validText(text) != text {
			bytes := make([]int, len(text))
			for b := range text {
				bytes[b] = int(text[b])
			}
			pieces[i].Piece = bytes
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{"tokens": pieces})
	return nil
}

// tokenizeRequest asks for the tokens of a text, or of a conversation as vLLM has it:
// what a chat request with its messages and tools would make of them.
type tokenizeRequest struct {
	chatRequest
	Content      string  `json:"content"`
	Prompt       *string `json:"prompt"` // of vLLM, for content
	ParseSpecial *bool   `json:"parse_special"`
	WithPieces   bool    `json:"with_pieces"`
}

func (q *tokenizeRequest) encode(ctx context.Context, s *Server) ([]int, error) {
	if len(q.Messages) == 0 {
		s.notice("", q.Extra)
		text := or(q.Prompt, q.Content)
		return s.encodeOnly(ctx, "content", func(ctx context.Context, most int) ([]int, error) {
			if or(q.ParseSpecial, true) {
				return s.Tokens.AppendSpecialWithin(ctx, nil, text, most)
			}
			return s.Tokens.AppendWithin(ctx, nil, text, most)
		})
	}
	if err := q.check(s); err != nil {
		return nil, err
	}
	c, err := q.conversation(s)
	if err != nil {
		return nil, err
	}
	return s.encodeOnly(ctx, "messages", s.encodeConversation(c))
}

// encodeOnly makes tokens of a text that is not computed: one text at a time, and
// no longer than the client waits.
func (s *Server) encodeOnly(ctx context.Context, field string, tokens func(context.Context, int) ([]int, error)) ([]int, error) {
	select {
	case s.encoding <- struct{}{}:
		defer func() { <-s.encoding }()
	case <-ctx.Done():
		return nil, errCancelled
	}
	ids, err := tokens(ctx, mostTokenized)
	switch {
	case ctx.Err() != nil:
		return nil, errCancelled
	case errors.Is(err, tokenizer.ErrTooLong):
		return nil, badRequest(field, "%s has more than %d tokens", field, mostTokenized)
	}
	return ids, err
}

// mostTokenized bounds what /tokenize gives.
const mostTokenized = 1 << 20

// serveDetokenize answers POST /detokenize, as llama-server does.
func (s *Server) serveDetokenize(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Tokens integers  `json:"tokens"`
		Extra  unnoticed `json:",embed"`
	}
	if err := s.decode(w, r, &q); err != nil {
		writeError(w, openAIError, err)
		return
	}
	ids := make([]int, len(q.Tokens))
	for i, id := range q.Tokens {
		if id < 0 || int(id) >= s.Tokens.Size() {
			writeError(w, openAIError, badRequest("tokens", "tokens[%d]: id %d is outside of the vocabulary (0 to %d)", i, id, s.Tokens.Size()-1))
			return
		}
		ids[i] = int(id)
	}
	text := validText(s.Tokens.Decode(ids))
	writeJSON(w, http.StatusOK, map[string]string{"content": text, "prompt": text}) // as llama-server and vLLM call it
}

// serveTokenizer answers GET /tokenizer_info, as vLLM does.
func (s *Server) serveTokenizer(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{
		"tokenizer_class": s.Tokens.Name(), "eos_token": s.endToken(), "bos_token": nil, "pad_token": nil, "model_max_length": s.context(),
	})
}

// endToken is the name of the token that ends an answer.
func (s *Server) endToken() string {
	id := s.Tokens.StopIDs()[0]
	if s.Chat != nil {
		id = s.Chat.Marks().Return
	}
	return s.Tokens.Bytes(id)
}

// context is the most tokens of a text; 0 until the model is loaded.
func (s *Server) context() int {
	if e := s.life.current(); e != nil {
		return e.Context()
	}
	return 0
}

// serveTemplate answers POST /apply-template, as llama-server does: the prompt of
// a chat request, as text.
func (s *Server) serveTemplate(w http.ResponseWriter, r *http.Request) {
	if err := s.template(w, r); err != nil {
		writeError(w, openAIError, err)
	}
}

func (s *Server) template(w http.ResponseWriter, r *http.Request) error {
	var q chatRequest
	if err := s.decodeChat(w, r, &q); err != nil {
		return err
	}
	c, err := q.conversation(s)
	if err != nil {
		return err
	}
	j, err := s.begin(r.Context())
	if err != nil {
		return err
	}
	defer j.end()
	ids, err := j.encode(r.Context(), "messages", s.encodeConversation(c))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]string{"prompt": validText(s.Tokens.Decode(ids))})
	return nil
}

// serveProps answers GET /props, with what llama-server's clients look for.
func (s *Server) serveProps(w http.ResponseWriter, _ *http.Request) {
	state, _ := s.life.state()
	writeJSON(w, http.StatusOK, map[string]any{
		"default_generation_settings": map[string]any{
			"n_ctx":  s.context(),
			"params": map[string]any{"temperature": 1.0, "top_p": 1.0, "top_k": 0, "min_p": 0.0, "n_predict": -1, "stream": false},
		},
		"total_slots": s.queue.size(), "model_alias": s.Model, "model_path": s.Path, "chat_template": "harmony",
		"modalities": map[string]bool{"vision": false, "audio": false},
		"build_info": "gptoss", "state": state, "bos_token": "", "eos_token": s.endToken(),
	})
}
