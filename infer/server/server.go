package server

import (
	"log/slog"
	"net/http"
	"time"

	"expertfs/infer/harmony"
	"expertfs/infer/tokenizer"
)

// Server answers requests with one model. Its fields are set before Handler
// is called and not changed after.
type Server struct {
	Model   string               // the name by which clients know the model
	Tokens  *tokenizer.Tokenizer // of the model
	Chat    *harmony.Encoding    // nil: chat is refused
	Engine  Engine
	Waiting int // most requests that may wait for their turn

	// Patience is how long a client may take to send the body of a request, and
	// to read an answer or an event of a stream.
	Patience time.Duration

	// System returns the messages that begin every chat.
	System func(harmony.Effort) []harmony.Message

	Log *slog.Logger

	created int64
	queue   *queue
}

// Handler returns the handler of all paths.
func (s *Server) Handler() http.Handler {
	s.created = time.Now().Unix()
	s.queue = newQueue(s.Waiting)
	// A web page that its user visits must not be able to use the model.
	sameOrigin := http.NewCrossOriginProtection()
	sameOrigin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		e := badRequest("", "requests from pages of other origins are refused")
		e.status = http.StatusForbidden
		writeError(w, e)
	}))
	return patient(sameOrigin.Handler(s.mux()), s.Patience)
}
