package server

import (
	"net/http"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
)

// stream writes server-sent events. While nothing is to be said it writes
// comments, so that neither client nor proxy takes it for dead. Its methods may
// be called from several goroutines.
type stream struct {
	w     http.ResponseWriter
	flush func() error

	mu    sync.Mutex
	last  time.Time // when something was written
	err   error
	over  chan struct{}
	ended sync.WaitGroup
}

// openStream sends the headers at once. close must follow.
func (s *Server) openStream(w http.ResponseWriter) *stream {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Accel-Buffering", "no") // nginx would collect events
	w.WriteHeader(http.StatusOK)
	st := &stream{w: w, flush: http.NewResponseController(w).Flush, last: time.Now(), over: make(chan struct{})}
	st.err = st.flush()
	st.ended.Go(func() { st.keepAlive(s.Comments) })
	return st
}

func (s *stream) keepAlive(every time.Duration) {
	tick := time.NewTicker(max(every/5, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-s.over:
			return
		case <-tick.C:
			s.mu.Lock()
			if time.Since(s.last) >= every/3 { // early: on a busy machine ticks come late
				s.write(": waiting\n\n")
			}
			s.mu.Unlock()
		}
	}
}

// close ends the comments.
func (s *stream) close() {
	close(s.over)
	s.ended.Wait()
}

// write sends text with the lock held.
func (s *stream) write(text string) error {
	if s.err != nil {
		return errGone
	}
	s.last = time.Now()
	if _, s.err = s.w.Write([]byte(text)); s.err == nil {
		s.err = s.flush()
	}
	if s.err != nil {
		return errGone
	}
	return nil
}

func (s *stream) send(text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.write(text)
}

// data sends an event without a name. The error is errGone when nobody reads.
func (s *stream) data(v any) error { return s.event("", v) }

// event sends an event.
func (s *stream) event(name string, v any) error {
	text, err := json.Marshal(v, encoding)
	if err != nil {
		return err
	}
	if name != "" {
		name = "event: " + name + "\n"
	}
	return s.send(name + "data: " + string(text) + "\n\n")
}

// done sends the end of OpenAI's streams.
func (s *stream) done() error { return s.send("data: [DONE]\n\n") }
