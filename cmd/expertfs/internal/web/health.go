package web

import (
	"errors"
	"io"
	"net/http"

	"expertfs"
)

// health answers GET /health, without a key: 200 while the mount answers, else 503 and
// why. It asks the mount for each probe, so that one that is mounted again is well at
// once.
type health struct {
	live   question[*expertfs.Live]
	silent bool // about why: there is a key, and the reason has the mount's path
}

func (h *health) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, err := h.live.answered(r.Context())
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
