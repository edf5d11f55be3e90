package server

import (
	"embed"
	"io/fs"
	"net/http"

	"expertfs"
)

// The chat page is a client of this server as any other: page/ has its HTML, style
// and scripts, written by hand. It asks nobody but the server that it came from,
// and keeps conversations in the browser.

//go:embed page
var pageFiles embed.FS

// pagePaths are where the page's files are served.
var pagePaths = func() map[string]string {
	paths := map[string]string{"/": "page/index.html"}
	names, err := fs.Glob(pageFiles, "page/*.*")
	if err != nil {
		panic(err) // the pattern is good
	}
	for _, name := range names {
		paths["/"+name[len("page/"):]] = name
	}
	return paths
}()

// isPage tells whether a request is for a file of the page, which asks for the key
// by itself.
func isPage(r *http.Request) bool {
	_, ok := pagePaths[r.URL.Path]
	return ok && (r.Method == http.MethodGet || r.Method == http.MethodHead)
}

// contentPolicy keeps the page to its own server, and texts of a model from being
// anything but texts.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// addPage serves the page, and what it shows beside the API.
func (s *Server) addPage(mux *http.ServeMux) {
	for path, name := range pagePaths {
		pattern := path
		if path == "/" {
			pattern = "/{$}"
		}
		mux.HandleFunc("GET "+pattern, s.meters.count("/", func(w http.ResponseWriter, r *http.Request) {
			h := w.Header()
			h.Set("Content-Security-Policy", contentPolicy)
			h.Set("Referrer-Policy", "no-referrer")
			h.Set("X-Content-Type-Options", "nosniff")
			h.Set("Cache-Control", "no-store")
			http.ServeFileFS(w, r, pageFiles, name)
		}))
	}
	mux.HandleFunc("GET /experts", s.meters.count("/experts", s.serveExperts))
}

// serveExperts answers GET /experts: how the uses of experts have met the mount's
// cache so far, of all its readers.
func (s *Server) serveExperts(w http.ResponseWriter, _ *http.Request) {
	var uses expertfs.Uses
	err := expertfs.ErrNotMounted
	if s.Uses != nil {
		uses, err = s.Uses()
	}
	if err != nil {
		writeError(w, openAIError, badRequest("", "%s", err.Error()).withStatus(http.StatusNotFound))
		return
	}
	writeJSON(w, http.StatusOK, uses)
}
