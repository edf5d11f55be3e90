package expertfs

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
)

// SocketFile, in ControlDir, is a symlink to the mount's socket, by which a reader
// has an expert's memory itself: a descriptor that it can read and map, and that
// costs no trip through the filesystem. A mount may have none.
//
// The socket is of family AF_UNIX and type SOCK_SEQPACKET. Each message is a
// Request or an answer:
//
//	request = "open" expert       answered when the expert is in RAM
//	        | "close" expert      not answered: one descriptor less of it is used
//	        | "rounded" name      answered when that file of RoundedDir is in RAM
//	        | "residency"         answered at once: the page that Residency describes
//	answer  = "ok"                with a read-only descriptor (SCM_RIGHTS)
//	        | "error" errno text  errno as open(2) of the file would give, decimal
//	expert  = layer "/" number    as in hints
//
// A connection has one open under way at a time; two readers at once need two
// connections. What a connection has opened and not closed counts as open, until
// the connection ends. A rounded file needs no close: it stays in RAM while anybody
// has its descriptor or a mapping of it. A descriptor, and a mapping of it, keep their
// bytes in any case. Whoever sends something else is hung up on.
const SocketFile = "socket"

// MaxMessage is the length that no message exceeds.
const MaxMessage = 512

// Request is what a reader sends to the socket.
type Request struct {
	Verb    RequestVerb
	Key     Key // of OpenExpert and CloseExpert
	Rounded int // of OpenRounded: the layer, or as many as there are for the unembedding
}

// RequestVerb says what is asked for.
type RequestVerb string

// The verbs of requests.
const (
	OpenExpert  RequestVerb = "open"
	CloseExpert RequestVerb = "close"
	OpenRounded RequestVerb = "rounded"

	AskResidency RequestVerb = "residency"
)

// AppendRequest appends a request to dst.
func (n Names) AppendRequest(dst []byte, r Request) []byte {
	dst = append(dst, r.Verb...)
	if r.Verb == AskResidency {
		return dst
	}
	dst = append(dst, ' ')
	if r.Verb == OpenRounded {
		return append(dst, n.Rounded(r.Rounded)...)
	}
	dst = appendPadded(dst, int(r.Key.Layer), width(n.Layers))
	return appendPadded(append(dst, '/'), int(r.Key.Expert), width(n.Experts))
}

// ParseRequest is the inverse of AppendRequest.
func (n Names) ParseRequest(text string) (Request, error) {
	if text == string(AskResidency) {
		return Request{Verb: AskResidency}, nil
	}
	verb, expert, _ := strings.Cut(text, " ")
	r := Request{Verb: RequestVerb(verb)}
	switch r.Verb {
	case OpenExpert, CloseExpert:
	case OpenRounded:
		for r.Rounded = range n.Layers + 1 {
			if expert == n.Rounded(r.Rounded) {
				return r, nil
			}
		}
		return r, fmt.Errorf("%q: want a file of %s", expert, RoundedDir)
	default:
		return r, fmt.Errorf("%q: want open, close, rounded or residency", verb)
	}
	var err error
	r.Key, err = n.parseHintKey(expert, -1)
	return r, err
}

// OpenError is an open that the mount has answered with an error.
type OpenError struct {
	Errno syscall.Errno
	Text  string // for people
}

func (r *OpenError) Error() string {
	if r.Text == "" {
		return r.Errno.Error()
	}
	return r.Text
}

func (r *OpenError) Unwrap() error { return r.Errno }

// AppendAnswer appends the answer to an open to dst: "ok" for nil.
func AppendAnswer(dst []byte, failure *OpenError) []byte {
	if failure == nil {
		return append(dst, "ok"...)
	}
	dst = strconv.AppendInt(append(dst, "error "...), int64(failure.Errno), 10)
	if failure.Text != "" {
		dst = append(append(dst, ' '), failure.Text...)
	}
	return dst[:min(len(dst), MaxMessage)]
}

// ParseAnswer is the inverse of AppendAnswer.
func ParseAnswer(text string) (failure *OpenError, err error) {
	if text == "ok" {
		return nil, nil
	}
	verb, rest, _ := strings.Cut(text, " ")
	number, reason, _ := strings.Cut(rest, " ")
	errno, err := strconv.ParseUint(number, 10, 12)
	if verb != "error" || err != nil || errno == 0 {
		return nil, fmt.Errorf("the mount's socket has answered %q", text)
	}
	return &OpenError{syscall.Errno(errno), reason}, nil
}
