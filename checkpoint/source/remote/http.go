package remote

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
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

// CheckAddress refuses an address to which bytes would pass in the open, unless it is
// this machine or plain allows it.
func CheckAddress(u *url.URL, plain bool) error {
	switch {
	case u.Scheme == "https":
		return nil
	case u.Scheme != "http":
		return fmt.Errorf("%s://%s: expected https://", u.Scheme, u.Host)
	case plain || u.Hostname() == "localhost":
		return nil
	}
	if ip := net.ParseIP(u.Hostname()); ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("http://%s: anybody in between could read and change what passes: use https://, or --plain-http", u.Host)
}

// CheckRedirect refuses to follow a redirection, after those in via, to an address to
// which bytes would pass in the open, unless they do already.
func CheckRedirect(r *http.Request, via []*http.Request) error {
	if len(via) >= 5 {
		return errors.New("too many redirections")
	}
	if via[0].URL.Scheme == "https" && r.URL.Scheme != "https" {
		return Permanent(errors.New("redirected to an address without encryption"))
	}
	return nil
}

// Status makes the error of an answer that is no success, and reads what is left
// of it so that its connection can be used again.
func Status(r *http.Response, what string) error {
	_, _ = io.CopyN(io.Discard, r.Body, 64<<10) // only for the connection's sake
	return &StatusError{Code: r.StatusCode, What: what, After: asked(r)}
}

// resetTime matches when more may be asked for, in the header of limits that the hub
// sends with a refusal: RateLimit: "resolvers";r=0;t=55.
var resetTime = regexp.MustCompile(`;\s*t=(\d{1,6})\b`)

// asked is how long an answer asks to wait, 0 where it does not: by seconds, by a date, or
// by what is left of the time in which only so much may be asked for.
func asked(r *http.Response) time.Duration {
	after := r.Header.Get("Retry-After")
	if after == "" && r.StatusCode == http.StatusTooManyRequests {
		if m := resetTime.FindStringSubmatch(r.Header.Get("RateLimit")); m != nil {
			after = m[1]
		}
	}
	if seconds, err := strconv.ParseUint(after, 10, 32); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(after); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}
