package server

import "net/http"

// serveHealth answers GET /health: 200 when requests are computed, and 503 with
// the state when they are not.
func (s *Server) serveHealth(w http.ResponseWriter, r *http.Request) {
	s.life.check(r.Context())
	state, err := s.life.state()
	switch {
	case err != nil:
		writeJSON(w, http.StatusServiceUnavailable, map[string]any{"status": state, "error": serverError(http.StatusServiceUnavailable, err.Error())})
	case state != ready:
		writeJSON(w, http.StatusServiceUnavailable, map[string]any{"status": state, "error": serverError(http.StatusServiceUnavailable, "the server is "+state)})
	default:
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	}
}
