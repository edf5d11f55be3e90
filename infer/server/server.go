package server

import (
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"expertfs"
	"expertfs/infer/harmony"
	"expertfs/infer/tokenizer"
)

// Server answers requests with one model. Its fields are set before Handler
// is called and not changed after.
type Server struct {
	Model   string               // the name by which clients know the model
	Path    string               // where it lies; for /props
	Tokens  *tokenizer.Tokenizer // of the model
	Chat    *harmony.Encoding    // nil: chat is refused
	Waiting int                  // most requests that may wait for their turn
	Strict  bool                 // other names of models are refused

	// Patience is how long a client may take to send the body of a request, and
	// to read an answer or an event of a stream.
	Patience time.Duration
	// Comments is the longest silence of a stream.
	Comments time.Duration

	// System returns the messages that begin every chat; functions tells whether
	// tools are offered.
	System func(effort harmony.Effort, functions bool) []harmony.Message

	// Reopen opens the engine anew after it has failed; old is of no use any more.
	// It is tried every Retry until Base ends. May be nil.
	Reopen func(ctx context.Context, old Engine) (Engine, error)
	Retry  time.Duration
	Base   context.Context

	// Uses tells how uses of experts have met the mount's cache, for the page; nil
	// where there is no mount.
	Uses func() (expertfs.Uses, error)

	Guard Guard // who may ask
	Log   *slog.Logger

	created     int64
	fingerprint string
	queue       *queue
	large       chan struct{} // filled while a large body is read
	encoding    chan struct{} // filled while a text is made tokens
	life        life
	noticed     noticer
	grammars    grammars
	recent      recentItems
	meters      *meters
	ordinary    func() []uint64 // the mask of all tokens that are text
}

// Warm makes what the first request would wait for: the tables of the vocabulary. It
// is called after Handler, and may run beside the loading of the model.
func (s *Server) Warm() {
	s.Tokens.Encode("a")
	s.ordinary()
}

// Handler returns the handler of all paths. Requests wait until Ready is called.
func (s *Server) Handler() http.Handler {
	s.created = time.Now().Unix()
	h := fnv.New32a()
	fmt.Fprint(h, s.Model, s.Path, s.Tokens.Name())
	s.fingerprint = fmt.Sprintf("b%08x", h.Sum32())
	s.queue = newQueue(s.Waiting)
	s.large, s.encoding = make(chan struct{}, 1), make(chan struct{}, 1)
	s.life.changed, s.life.s = make(chan struct{}), s
	s.ordinary = sync.OnceValue(func() []uint64 { return ordinaryTokens(s.Tokens) })
	s.meters = newMeters(s)
	if s.Base == nil {
		s.Base = context.Background()
	}
	return patient(identified(plain(s.Guard.handler(s.mux()))), s.Patience)
}
