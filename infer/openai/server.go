package openai

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"expertfs/infer"
	"expertfs/infer/harmony"
	"expertfs/infer/tokenizer"
)

// Server answers requests with one model. Its fields are set before Handler
// is called and not changed after.
type Server struct {
	Model   string               // the name by which clients know the model
	Tokens  *tokenizer.Tokenizer // of the model
	Chat    *harmony.Encoding    // nil: chat is refused
	Vocab   int                  // ids from 0 that the model takes
	Context int                  // most tokens of prompt and completion together
	Waiting int                  // most requests that may wait for their turn

	// Patience is how long a client may take to send the body of a request, and
	// to read an answer or an event of a stream.
	Patience time.Duration

	// System returns the messages that begin every chat.
	System func(harmony.Effort) []harmony.Message
	// Complete continues a prompt. It is never called twice at a time.
	Complete func(ctx context.Context, prompt []int, g infer.Generation) ([]int, infer.Finish, error)

	Log *slog.Logger

	created int64
	queue   *queue
}

// Handler returns the handler of all paths.
func (s *Server) Handler() http.Handler {
	s.created = time.Now().Unix()
	s.queue = newQueue(s.Waiting)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, modelList{"list", []modelObject{s.model()}})
	})
	mux.HandleFunc("GET /v1/models/{name...}", func(w http.ResponseWriter, r *http.Request) {
		if err := s.checkModel(r.PathValue("name")); err != nil {
			writeError(w, err)
			return
		}
		writeJSON(w, http.StatusOK, s.model())
	})
	mux.HandleFunc("POST /v1/chat/completions", s.serveChat)
	mux.HandleFunc("POST /v1/completions", s.serveCompletion)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		e := badRequest("", "no such request: %s %s", r.Method, r.URL.Path)
		e.status = http.StatusNotFound
		writeError(w, e)
	})
	// A web page that its user visits must not be able to use the model.
	sameOrigin := http.NewCrossOriginProtection()
	sameOrigin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		e := badRequest("", "requests from pages of other origins are refused")
		e.status = http.StatusForbidden
		writeError(w, e)
	}))
	return patient(sameOrigin.Handler(mux), s.Patience)
}

type modelList struct {
	Object string        `json:"object"`
	Data   []modelObject `json:"data"`
}

type modelObject struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

func (s *Server) model() modelObject {
	return modelObject{s.Model, "model", s.created, "expertfs"}
}

// queue lets one holder in at a time. Goroutines blocked on a channel are
// served in the order in which they came.
type queue struct {
	places chan struct{} // one for each that waits or holds
	turn   chan struct{} // filled while there is a holder
}

func newQueue(waiting int) *queue {
	return &queue{places: make(chan struct{}, waiting+1), turn: make(chan struct{}, 1)}
}

// enter waits for the turn; leave must follow. It returns an error at once
// when too many wait already, and errCancelled when ctx ends first.
func (q *queue) enter(ctx context.Context) error {
	select {
	case q.places <- struct{}{}:
	default:
		return serverError(http.StatusServiceUnavailable, "too many requests are waiting").withCode("overloaded")
	}
	select {
	case q.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		<-q.places
		return errCancelled
	}
}

func (q *queue) leave() {
	<-q.turn
	<-q.places
}
