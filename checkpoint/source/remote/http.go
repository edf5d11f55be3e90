package remote

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// CheckRange returns an error unless the header of an answer says that n bytes
// from off on follow, of a file of size bytes.
func CheckRange(h http.Header, off, n, size int64) error {
	got := h.Get("Content-Range")
	if got == "" && off == 0 && n == size && h.Get("Content-Length") == strconv.FormatInt(n, 10) {
		return nil // all of it is no range
	}
	if length := h.Get("Content-Length"); length != "" && length != strconv.FormatInt(n, 10) {
		return fmt.Errorf("the answer has %.20s bytes, expected %d", length, n)
	}
	want := fmt.Sprintf("bytes %d-%d/", off, off+n-1)
	total, ok := strings.CutPrefix(got, want)
	switch {
	case got == "":
		return fmt.Errorf("the answer is no range: expected %q", want)
	case !ok:
		return fmt.Errorf("the answer is another range, %.60q: expected %q", got, want)
	case total != "*" && total != strconv.FormatInt(size, 10):
		return fmt.Errorf("%w: it has %.20s bytes, had %d", ErrChanged, total, size)
	}
	return nil
}

// Status makes the error of an answer that is no success, and reads what is left
// of it so that its connection can be used again.
func Status(r *http.Response, what string) error {
	_, _ = io.CopyN(io.Discard, r.Body, 64<<10) // only for the connection's sake
	s := &StatusError{Code: r.StatusCode, What: what}
	if after, err := strconv.Atoi(r.Header.Get("Retry-After")); err == nil {
		s.After = time.Duration(after) * time.Second
	}
	return s
}
