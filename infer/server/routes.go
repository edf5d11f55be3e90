package server

import (
	"net/http"
	"strings"
)

// route is one line of the route table.
type route struct {
	method string
	path   string // a pattern of http.ServeMux; also served without /v1
	serve  func(*Server, http.ResponseWriter, *http.Request)
	form   errorForm
	works  bool // it computes, so that a server that is to end refuses it
}

// routes are all paths that are served. Each endpoint has a file of its own.
var routes = []route{
	{"POST", "/v1/chat/completions", (*Server).serveChat, openAIError, true},
	{"POST", "/v1/completions", (*Server).serveCompletion, openAIError, true},
	{"POST", "/v1/responses", (*Server).serveResponses, openAIError, true},
	{"POST", "/v1/responses/input_tokens", (*Server).serveInputTokens, openAIError, false},
	{"POST", "/v1/messages", (*Server).serveMessages, anthropicError, true},
	{"POST", "/v1/messages/count_tokens", (*Server).serveCountTokens, anthropicError, false},
	{"GET", "/v1/models", (*Server).serveModels, openAIError, false},
	{"GET", "/v1/models/{name...}", (*Server).serveModel, openAIError, false},
	{"POST", "/v1/tokenize", (*Server).serveTokenize, openAIError, false},
	{"POST", "/v1/detokenize", (*Server).serveDetokenize, openAIError, false},
	{"POST", "/v1/apply-template", (*Server).serveTemplate, openAIError, false},
	{"GET", "/v1/props", (*Server).serveProps, openAIError, false},
	{"GET", "/v1/health", (*Server).serveHealth, openAIError, false},
	{"GET", "/v1/metrics", (*Server).serveMetrics, openAIError, false},
}

// mux returns the handler of all routes.
func (s *Server) mux() http.Handler {
	mux := http.NewServeMux()
	for _, r := range routes {
		serve := s.meters.count(r.path, func(w http.ResponseWriter, req *http.Request) {
			if state, _ := s.life.state(); r.works && state == draining {
				w.Header().Set("Connection", "close")
				writeError(w, r.form, serverError(http.StatusServiceUnavailable, "the server is shutting down").withCode("draining"))
				return
			}
			r.serve(s, w, req)
		})
		mux.HandleFunc(r.method+" "+r.path, serve)
		mux.HandleFunc(r.method+" "+strings.TrimPrefix(r.path, "/v1"), serve)
	}
	s.addPage(mux)
	mux.HandleFunc("/", s.meters.count("other", s.serveNothing))
	return mux
}

// formOf is the form of errors at the path of a request.
func formOf(req *http.Request) errorForm {
	path := "/v1" + strings.TrimPrefix(req.URL.Path, "/v1")
	for _, r := range routes {
		if r.path == path {
			return r.form
		}
	}
	return openAIError
}

// serveNothing answers requests that no route takes.
func (s *Server) serveNothing(w http.ResponseWriter, r *http.Request) {
	var others []string
	path := "/v1" + strings.TrimPrefix(r.URL.Path, "/v1")
	for _, known := range routes {
		if known.path == path {
			others = append(others, known.method)
		}
	}
	if others != nil {
		w.Header().Set("Allow", strings.Join(others, ", "))
		writeError(w, formOf(r), badRequest("", "no such request: %s %s; use %s", r.Method, shorten(r.URL.Path), strings.Join(others, " or ")).
			withStatus(http.StatusMethodNotAllowed))
		return
	}
	writeError(w, openAIError, badRequest("", "no such request: %s %s", r.Method, shorten(r.URL.Path)).withStatus(http.StatusNotFound))
}
