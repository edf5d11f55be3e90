package expertfs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"
)

// conn is a reader's connection to the socket of a mount. Its calls block, which
// answers sooner than waiting for an event would, but no longer than patience.
type conn struct {
	names    Names
	patience time.Duration

	mu sync.RWMutex // held for writing to close fd
	fd int          // -1 when hung up
}

// dial connects to the socket that the symlink at path names. A server that does
// not accept in time gives ETIMEDOUT.
func dial(path string, names Names, patience time.Duration) (*conn, error) {
	// The address has room for 107 bytes. The socket's own path is short.
	target, err := os.Readlink(path)
	if err != nil {
		return nil, err
	}
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	c := &conn{names: names, patience: patience, fd: fd}
	limit := syscall.NsecToTimeval(patience.Nanoseconds())
	err = errors.Join(
		syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_SNDTIMEO, &limit), // of connect too
		syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &limit))
	if err == nil {
		err = c.bounded(func() error { return syscall.Connect(fd, &syscall.SockaddrUnix{Name: target}) })
	}
	if err != nil {
		syscall.Close(fd)
		return nil, &os.PathError{Op: "connect", Path: target, Err: err}
	}
	return c, nil
}

// bounded repeats what a signal has interrupted, as retry does, until the
// connection's patience is over. The kernel's own limit begins anew each time.
func (c *conn) bounded(call func() error) error {
	err := call()
	for deadline := time.Now().Add(c.patience); err == syscall.EINTR; err = call() {
		if time.Now().After(deadline) {
			return syscall.ETIMEDOUT
		}
	}
	if err == syscall.EAGAIN {
		return syscall.ETIMEDOUT
	}
	return err
}

// open asks for an expert and waits for its descriptor. The error is an *OpenError
// when the mount has answered so; with any other the connection is of no use any
// more. One goroutine at a time may call it.
func (c *conn) open(k Key) (int, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if err := c.send(Request{Verb: OpenExpert, Key: k}, 0); err != nil {
		return -1, err
	}
	fd, err := c.receive()
	if err == errTooManyFiles {
		// The mount takes the expert for open.
		if err := c.send(Request{Verb: CloseExpert, Key: k}, 0); err != nil {
			return -1, err
		}
	}
	return fd, err
}

// rounded asks for a rounded dense file, as open does for an expert.
func (c *conn) rounded(layer int) (int, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if err := c.send(Request{Verb: OpenRounded, Rounded: layer}, 0); err != nil {
		return -1, err
	}
	return c.receive()
}

// residency asks for the page that shows which experts are in RAM.
func (c *conn) residency() (int, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if err := c.send(Request{Verb: AskResidency}, 0); err != nil {
		return -1, err
	}
	return c.receive()
}

// errTooManyFiles is an answer whose descriptor this process has no room for.
var errTooManyFiles error = &OpenError{syscall.EMFILE, "too many open files: raise the limit (ulimit -n)"}

// release tells that a descriptor of an expert is closed. A mount that does not
// listen is hung up on: then it counts nothing of this connection as open.
func (c *conn) release(k Key) {
	c.mu.RLock()
	err := c.send(Request{Verb: CloseExpert, Key: k}, syscall.MSG_DONTWAIT)
	c.mu.RUnlock()
	if err != nil {
		c.hangUp()
	}
}

// hangUp closes the connection, once an open under way is over.
func (c *conn) hangUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd >= 0 {
		syscall.Close(c.fd)
		c.fd = -1
	}
}

func (c *conn) send(r Request, flags int) error {
	if c.fd < 0 {
		return os.ErrClosed
	}
	var room [64]byte
	text := c.names.AppendRequest(room[:0], r)
	return c.bounded(func() error { return syscall.Sendto(c.fd, text, flags|syscall.MSG_NOSIGNAL, nil) })
}

// receive returns the descriptor that an answer carries.
func (c *conn) receive() (int, error) {
	var text [MaxMessage]byte
	var rights [32]byte // room for more than one descriptor
	var n, rn, flags int
	err := c.bounded(func() (err error) {
		n, rn, flags, _, err = syscall.Recvmsg(c.fd, text[:], rights[:], syscall.MSG_CMSG_CLOEXEC)
		return err
	})
	if err != nil {
		return -1, err
	}
	fds, err := descriptors(rights[:rn])
	if err == nil && n == 0 {
		err = io.EOF
	}
	if err == nil {
		var failure *OpenError
		if failure, err = ParseAnswer(string(text[:n])); failure != nil {
			err = failure
		}
	}
	switch {
	case err != nil:
	case len(fds) == 1:
		return fds[0], nil
	case flags&syscall.MSG_CTRUNC != 0:
		err = errTooManyFiles
	default:
		err = fmt.Errorf("the mount's socket has sent %d descriptors", len(fds))
	}
	for _, fd := range fds {
		syscall.Close(fd)
	}
	return -1, err
}

// descriptors returns those that came with a message.
func descriptors(rights []byte) (fds []int, err error) {
	if len(rights) == 0 {
		return nil, nil
	}
	messages, err := syscall.ParseSocketControlMessage(rights)
	if err != nil {
		return nil, err
	}
	for _, m := range messages {
		if m.Header.Level == syscall.SOL_SOCKET && m.Header.Type == syscall.SCM_RIGHTS {
			more, err := syscall.ParseUnixRights(&m)
			if err != nil {
				return fds, err
			}
			fds = append(fds, more...)
		}
	}
	return fds, nil
}

// retry repeats what a signal has interrupted: the Go runtime sends them to its
// own threads.
func retry(call func() error) error {
	for {
		if err := call(); err != syscall.EINTR {
			return err
		}
	}
}
