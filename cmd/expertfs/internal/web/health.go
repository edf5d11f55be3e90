package web

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"expertfs/cmd/expertfs/internal/watch"
)

// health answers GET /health, without a key: 200 while the mount answers, else 503 and
// why. It asks the mount for each probe, so that one that is mounted again is well at
// once. Probes that come while it is asked wait for the same answer: a mount that hangs
// has one goroutine hang, however often it is probed.
type health struct {
	source watch.Source
	silent bool // about why: there is a key, and the reason has the mount's path

	mu sync.Mutex
	// GUARDED BY mu.
	asking *asking // nil while nobody asks
}

// asking is a question to the mount.
type asking struct {
	done chan struct{}
	err  error // once done is closed
}

// healthPatience is how long a mount may take to answer a probe.
const healthPatience = 2 * time.Second

// ask asks the mount, or returns the question that it has not answered yet.
func (h *health) ask() *asking {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.asking == nil {
		a := &asking{done: make(chan struct{})}
		h.asking = a
		go func() {
			_, a.err = h.source.Live()
			h.mu.Lock()
			defer h.mu.Unlock()
			h.asking = nil
			close(a.done)
		}()
	}
	return h.asking
}

func (h *health) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a, err := h.ask(), errors.New("the mount does not answer")
	select {
	case <-a.done:
		err = a.err
	case <-r.Context().Done():
	case <-time.After(healthPatience):
	}
	if err != nil {
		if h.silent {
			err = errors.New("the mount cannot be read")
		}
		fail(w, http.StatusServiceUnavailable, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = io.WriteString(w, `{"status":"ok"}`+"\n") // who has gone reads nothing
}
