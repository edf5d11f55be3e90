package server

import "net/http"

// route is one line of the route table: a pattern of http.ServeMux and the
// endpoint that serves it.
type route struct {
	pattern string
	serve   func(*Server, http.ResponseWriter, *http.Request)
}

// routes are all paths that are served. Each endpoint has a file of its own.
var routes = []route{
	{"GET /health", (*Server).serveHealth},
	{"GET /v1/models", (*Server).serveModels},
	{"GET /v1/models/{name...}", (*Server).serveModel},
	{"POST /v1/chat/completions", (*Server).serveChat},
	{"POST /v1/completions", (*Server).serveCompletion},
	{"/", (*Server).serveNothing},
}

// mux returns the handler of all routes.
func (s *Server) mux() http.Handler {
	mux := http.NewServeMux()
	for _, r := range routes {
		mux.HandleFunc(r.pattern, func(w http.ResponseWriter, req *http.Request) { r.serve(s, w, req) })
	}
	return mux
}

// serveNothing answers requests for other paths.
func (s *Server) serveNothing(w http.ResponseWriter, r *http.Request) {
	e := badRequest("", "no such request: %s %s", r.Method, r.URL.Path)
	e.status = http.StatusNotFound
	writeError(w, e)
}
