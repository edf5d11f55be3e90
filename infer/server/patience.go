package server

import (
	"net/http"
	"time"
)

// patient limits how long a client of h may take to read: each Write, or what
// is left of an answer when its handler returns, must be taken within patience.
// Without a limit a client that stops reading would hold its connection, and
// with a stream the model, for good. So would one that sends no body where h does
// not read it, as it refuses the request: the server reads it then.
func patient(h http.Handler, patience time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != http.NoBody {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(patience))
		}
		h.ServeHTTP(patientWriter{w, patience}, r)
	})
}

type patientWriter struct {
	http.ResponseWriter
	patience time.Duration
}

func (w patientWriter) Write(p []byte) (int, error) {
	if err := http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now().Add(w.patience)); err != nil {
		return 0, err
	}
	return w.ResponseWriter.Write(p)
}

// FlushError sends what was written, headers too, as Write does.
func (w patientWriter) FlushError() error {
	control := http.NewResponseController(w.ResponseWriter)
	if err := control.SetWriteDeadline(time.Now().Add(w.patience)); err != nil {
		return err
	}
	return control.Flush()
}

// Unwrap lets http.ResponseController find what w wraps.
func (w patientWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
