package server

import (
	"net/http"
	"slices"
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
	{"POST", "/v1/completion", (*Server).serveLlamaCompletion, openAIError, true},
	{"POST", "/v1/responses", (*Server).serveResponses, openAIError, true},
	{"POST", "/v1/responses/input_tokens", (*Server).serveInputTokens, openAIError, false},
	{"POST", "/v1/messages", (*Server).serveMessages, anthropicError, true},
	{"POST", "/v1/messages/count_tokens", (*Server).serveCountTokens, anthropicError, false},
	{"GET", "/v1/models", (*Server).serveModels, openAIError, false},
	{"GET", "/v1/models/{name...}", (*Server).serveModel, openAIError, false},
	{"POST", "/v1/tokenize", (*Server).serveTokenize, openAIError, false},
	{"POST", "/v1/detokenize", (*Server).serveDetokenize, openAIError, false},
	{"POST", "/v1/apply-template", (*Server).serveTemplate, openAIError, false},
	{"GET", "/v1/tokenizer_info", (*Server).serveTokenizer, openAIError, false},
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

// plain is h for requests of a route whose path a client has put together with a
// slash too many, or with a base URL that has /v1 already.
func plain(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := plainPath(r.URL.Path)
		if path != r.URL.Path && isRoute(path) {
			other := *r.URL
			other.Path, other.RawPath = path, ""
			r = r.WithContext(r.Context())
			r.URL = &other
		}
		h.ServeHTTP(w, r)
	})
}

func plainPath(path string) string {
	for strings.Contains(path, "//") {
		path = strings.ReplaceAll(path, "//", "/")
	}
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	for strings.HasPrefix(path, "/v1/v1/") {
		path = strings.TrimPrefix(path, "/v1")
	}
	return path
}

// formOf is the form of errors at the path of a request.
func formOf(req *http.Request) errorForm {
	for _, r := range routes {
		if r.isAt(req.URL.Path) {
			return r.form
		}
	}
	return openAIError
}

// isAt tells whether a path is the route's, with /v1 or without.
func (r *route) isAt(path string) bool { return r.path == "/v1"+strings.TrimPrefix(path, "/v1") }

func isRoute(path string) bool {
	return slices.ContainsFunc(routes, func(r route) bool { return r.isAt(path) })
}

// serveNothing answers requests that no route takes.
func (s *Server) serveNothing(w http.ResponseWriter, r *http.Request) {
	var others []string
	for _, known := range routes {
		if known.isAt(r.URL.Path) {
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
