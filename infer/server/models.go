package server

import (
	"net/http"
	"time"
)

type modelList struct {
	Object string        `json:"object"`
	Data   []modelObject `json:"data"`
	Models []modelObject `json:"models"`   // where Codex and llama-server's clients look
	More   bool          `json:"has_more"` // of Anthropic's lists, as are the next
	First  string        `json:"first_id"`
	Last   string        `json:"last_id"`
}

type modelObject struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
	Meta    struct {
		Vocab   int `json:"n_vocab"`
		Context int `json:"n_ctx_train"`
	} `json:"meta"`
	Context int    `json:"max_model_len"`
	Type    string `json:"type"` // of Anthropic's models, as are the next
	Title   string `json:"display_name"`
	Since   string `json:"created_at"`
}

func (s *Server) model() modelObject {
	m := modelObject{
		ID: s.Model, Name: s.Model, Object: "model", Created: s.created, OwnedBy: "expertfs",
		Type: "model", Title: s.Model, Since: time.Unix(s.created, 0).UTC().Format(time.RFC3339),
	}
	m.Meta.Vocab = s.Tokens.Size()
	if e := s.life.current(); e != nil {
		m.Meta.Vocab, m.Meta.Context, m.Context = e.Vocab(), e.Context(), e.Context()
	}
	return m
}

// serveModels answers GET /v1/models.
func (s *Server) serveModels(w http.ResponseWriter, _ *http.Request) {
	all := []modelObject{s.model()}
	writeJSON(w, http.StatusOK, modelList{Object: "list", Data: all, Models: all, First: s.Model, Last: s.Model})
}

// serveModel answers GET /v1/models/NAME.
func (s *Server) serveModel(w http.ResponseWriter, r *http.Request) {
	if name := r.PathValue("name"); name != s.Model {
		writeError(w, openAIError, s.noModel(name))
		return
	}
	writeJSON(w, http.StatusOK, s.model())
}

func (s *Server) noModel(name string) error {
	return badRequest("model", "the model %q does not exist: this server has %q", shorten(name), s.Model).
		withStatus(http.StatusNotFound).withCode("model_not_found")
}

// checkModel refuses a request for a model that is not the one served, if the
// server is strict. Others take any name for the one model's.
func (s *Server) checkModel(name string) error {
	if name == "" || name == s.Model || !s.Strict {
		return nil
	}
	return s.noModel(name)
}
