package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Store is a place on a network. Each method makes one attempt. They may be
// called concurrently.
type Store interface {
	// Name is what the user calls the place: "s3://bucket/prefix".
	Name() string
	// Key tells the place from all others, with the host that is asked. It holds
	// no secret and stays the same from run to run.
	Key() string
	// Setting names what the user sets to say which host is asked.
	Setting() string
	// List describes all files of the place.
	List(ctx context.Context) (*Listing, error)
	// Get asks for n bytes of a file from off on, of the very content that the
	// listing describes: else the error is ErrChanged. The body may be shorter.
	Get(ctx context.Context, l *Listing, f *File, off, n int64) (io.ReadCloser, error)
}

// Listing is what is in a place at one moment. It is not modified.
type Listing struct {
	Revision string  `json:"revision,omitempty"` // that the files are asked for by; "" where there are none
	Files    []*File `json:"files"`              // sorted by name
}

// File describes a file of a place.
type File struct {
	Name    string    `json:"name"` // with slashes, below the place
	Size    int64     `json:"size"` // bytes
	ETag    string    `json:"etag,omitempty"`
	SHA256  string    `json:"sha256,omitempty"` // hexadecimal
	ModTime time.Time `json:"mod_time"`
}

// Same tells whether another description is of the same content. Where a store tells
// no etag, as some do of files that were not uploaded through them, the time of
// modification has to do, which HTTP tells to the second. Without either nobody knows,
// and the content is taken to be another.
func (f *File) Same(o *File) bool {
	if f.Size != o.Size {
		return false
	}
	if f.ETag != "" && o.ETag != "" {
		return f.ETag == o.ETag
	}
	return !f.ModTime.IsZero() && f.ModTime.Truncate(time.Second).Equal(o.ModTime.Truncate(time.Second))
}

// Find returns a file by its name, nil for none.
func (l *Listing) Find(name string) *File {
	for _, f := range l.Files {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// MaxFiles bounds a listing: a place with more is no checkpoint, but what holds many.
const MaxFiles = 20_000

// ErrTooMany is the error of a listing beyond MaxFiles.
var ErrTooMany = fmt.Errorf("holds more than %d files: name the one folder that holds the checkpoint", MaxFiles)

// ErrChanged says that a file is not the one that was listed.
var ErrChanged = errors.New("has changed at its source since the checkpoint was opened")

// StatusError is an answer that is no success.
type StatusError struct {
	Code  int           // of HTTP
	What  string        // what the store says, and what to do about it; may be ""
	After time.Duration // it asks to wait so long; 0 when it does not
}

func (e *StatusError) Error() string {
	text := fmt.Sprintf("answer %d", e.Code)
	if name := http.StatusText(e.Code); name != "" {
		text += " " + name
	}
	switch {
	case e.What != "":
		text += ": " + e.What
	case e.Code == http.StatusTooManyRequests:
		text += ": it is asked too often: try again later"
	}
	if e.After > 0 {
		text += fmt.Sprintf(" (it asks to wait %v)", e.After.Round(time.Second))
	}
	return text
}

// Is tells what kind of answer it is.
func (e *StatusError) Is(kind error) bool {
	switch e.Code {
	case http.StatusNotFound, http.StatusGone:
		return kind == ErrAbsent
	}
	return kind == ErrNoAnswer
}

// Kinds of errors of a place: what was asked for is not there; or nobody knows whether
// it is, as no answer came, or a refusal.
var (
	ErrAbsent   = errors.New("it does not exist")
	ErrNoAnswer = errors.New("it cannot be read")
)

// marked is an error of a kind, without a word of it.
type marked struct {
	error
	kind error
}

func (m marked) Unwrap() []error { return []error{m.error, m.kind} }

// Absent marks an error as one of what is not there.
func Absent(err error) error { return marked{Permanent(err), ErrAbsent} }

// transient tells whether another attempt may succeed.
func transient(err error) bool {
	var status *StatusError
	switch {
	case errors.As(err, &status):
		return status.Code >= 500 || status.Code == http.StatusTooManyRequests || status.Code == http.StatusRequestTimeout
	case errors.Is(err, ErrChanged) || errors.Is(err, ErrTooMany) || errors.Is(err, errPermanent) || noSuchHost(err):
		return false
	}
	return true
}

// errPermanent is wrapped in errors that another attempt would have as well.
var errPermanent = errors.New("")

// Permanent marks an error that another attempt would have as well.
func Permanent(err error) error { return marked{err, errPermanent} }

// unreachable tells whether an error came before any answer.
func unreachable(err error) bool {
	var status *StatusError
	return err != nil && (transient(err) || noSuchHost(err)) && !errors.As(err, &status)
}

// withoutURL returns err without the address that net/http puts before it: it may
// be signed.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		host := ""
		if at, perr := url.Parse(u.URL); perr == nil {
			host = at.Host
		}
		why := u.Err
		if strings.Contains(why.Error(), "://") {
			why = errors.New("redirected to an address that is none") // which the error has in it
		}
		return fmt.Errorf("%s %s: %w", strings.ToUpper(u.Op), host, why)
	}
	return err
}
