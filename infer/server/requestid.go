package server

import (
	"context"
	"net/http"
	"strings"
)

// requestIDKey is where a request's context has its id.
type requestIDKey struct{}

// longestRequestID is the most bytes of an id that is taken over.
const longestRequestID = 128

// identified gives every request an id, by which the log names it: the client's
// own, if it has sent one, or a new one. Answers tell it where OpenAI's and
// Anthropic's libraries look.
func identified(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("X-Request-Id")
		odd := func(c rune) bool { return c <= ' ' || c > '~' }
		if id == "" || len(id) > longestRequestID || strings.ContainsFunc(id, odd) {
			id = newID("req_")
		}
		w.Header().Set("X-Request-Id", id)
		w.Header().Set("Request-Id", id)
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id)))
	})
}

// requestID is the id of the request that ctx belongs to.
func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}
