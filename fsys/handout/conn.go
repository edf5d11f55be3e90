package handout

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"expertfs"
	"expertfs/tiers"

	"golang.org/x/sys/unix"
)

// conn is a reader's connection.
type conn struct {
	server *Server
	socket *net.UnixConn
	uid    uint32
	reader Reader

	mu      sync.Mutex
	pins    map[expertfs.Key][]*tiers.Handle
	opening *opening // the open under way
	over    bool
}

// read carries out requests until the connection ends, or until an open has to
// wait, which leaves the reading to another goroutine.
func (c *conn) read() {
	text := make([]byte, expertfs.MaxMessage)
	for {
		n, err := c.socket.Read(text)
		if err != nil {
			c.end()
			return
		}
		r, err := c.server.options.Names.ParseRequest(string(text[:n]))
		switch {
		case err != nil:
		case r.Verb == expertfs.CloseExpert:
			err = c.unpin(r.Key)
		case r.Verb == expertfs.AskResidency:
			err = c.showResidency()
		default:
			var o *opening
			if o, err = c.begin(); err == nil {
				c.answer(c.carryOut(o, r))
				if o.waits() {
					return
				}
			}
		}
		if err != nil {
			c.server.options.Log.Debug("a reader was hung up on", "err", err)
			c.end()
			return
		}
	}
}

// begin makes the open that is under way from now on, with leave for its pin.
func (c *conn) begin() (*opening, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.opening != nil {
		return nil, errors.New("it asked for a second file before it had the first")
	}
	if !c.server.pins.take(c.uid) {
		return nil, fmt.Errorf("user %d opens experts and does not close them", c.uid)
	}
	c.opening = &opening{c: c}
	return c.opening, nil
}

// carryOut carries out what may have to wait.
func (c *conn) carryOut(o *opening, r expertfs.Request) (fd int, failure *expertfs.OpenError) {
	if r.Verb == expertfs.OpenRounded {
		return c.openRounded(o, r.Rounded)
	}
	if fd, failure = c.open(o, r.Key); failure == nil {
		c.server.opens.Add(1)
	}
	return fd, failure
}

// openRounded opens a rounded dense file. Nobody pins it: it stays where it is while
// its descriptor or a mapping of it is anywhere.
func (c *conn) openRounded(o *opening, layer int) (fd int, failure *expertfs.OpenError) {
	defer c.server.pins.give(c.uid, 1)
	d := tiers.DenseLayer(layer)
	if layer == c.server.options.Names.Layers {
		d = tiers.Unembedding
	}
	h, err := c.server.options.Dense(o, d.Rounded())
	if err != nil {
		return -1, &expertfs.OpenError{Errno: c.server.options.Errno(err), Text: err.Error()}
	}
	defer h.Release()
	if fd, err = reopen(h.Slot().Fd()); err != nil {
		return -1, &expertfs.OpenError{Errno: unix.ENOMEM, Text: err.Error()}
	}
	return fd, nil
}

// open opens an expert. The descriptor is for one reader, and read-only.
func (c *conn) open(o *opening, k expertfs.Key) (fd int, failure *expertfs.OpenError) {
	defer func() {
		if failure != nil {
			c.server.pins.give(c.uid, 1)
		}
	}()
	h, err := c.reader.Open(o, k)
	if err != nil {
		return -1, &expertfs.OpenError{Errno: c.server.options.Errno(err), Text: err.Error()}
	}
	fd, err = reopen(h.Slot().Fd())
	if err != nil {
		h.Release()
		return -1, &expertfs.OpenError{Errno: unix.ENOMEM, Text: err.Error()}
	}
	c.pin(k, h)
	return fd, nil
}

// reopen opens the file behind a descriptor anew, for reading alone.
func reopen(fd int) (int, error) {
	var path [32]byte
	return unix.Open(string(strconv.AppendInt(append(path[:0], "/proc/self/fd/"...), int64(fd), 10)), unix.O_RDONLY|unix.O_CLOEXEC, 0)
}

// answer ends the open under way. The descriptor is closed: from when it is in
// the socket, that refers to it.
func (c *conn) answer(fd int, failure *expertfs.OpenError) {
	c.mu.Lock()
	c.opening = nil
	c.mu.Unlock()
	c.send(fd, failure)
}

// showResidency answers with the page that shows which experts are in RAM.
func (c *conn) showResidency() error {
	c.mu.Lock()
	busy := c.opening != nil
	c.mu.Unlock()
	if busy {
		return errors.New("it asked for the residency before it had an expert that it asked for")
	}
	page, ok := c.server.options.Residency()
	if !ok {
		c.send(-1, &expertfs.OpenError{Errno: unix.ENOSYS, Text: "this kernel has no memory that others may only read"})
		return nil
	}
	fd, err := reopen(page)
	if err != nil {
		c.send(-1, &expertfs.OpenError{Errno: unix.ENOMEM, Text: err.Error()})
		return nil
	}
	c.send(fd, nil)
	return nil
}

// send sends an answer, and closes its descriptor.
func (c *conn) send(fd int, failure *expertfs.OpenError) {
	var rights []byte
	if failure == nil {
		defer unix.Close(fd)
		rights = unix.UnixRights(fd)
	}
	var text [expertfs.MaxMessage]byte
	_, _, err := c.socket.WriteMsgUnix(expertfs.AppendAnswer(text[:0], failure), rights, nil)
	if err != nil {
		c.socket.Close() // who reads sees it
	}
}

// pin keeps a handle until the reader closes its expert, or leaves.
func (c *conn) pin(k expertfs.Key, h *tiers.Handle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		h.Release()
		c.server.pins.give(c.uid, 1)
		return
	}
	c.pins[k] = append(c.pins[k], h)
}

// unpin releases a handle of an expert.
func (c *conn) unpin(k expertfs.Key) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.pins[k]
	last := len(list) - 1
	if last < 0 {
		return errors.New("it closed an expert that it had not opened: " + k.String())
	}
	list[last].Release()
	c.server.pins.give(c.uid, 1)
	if list = list[:last]; last == 0 {
		delete(c.pins, k)
		return nil
	}
	c.pins[k] = list
	return nil
}

// end gives up what the connection holds. Only who reads calls it.
func (c *conn) end() {
	c.socket.Close()
	c.mu.Lock()
	c.over = true
	if c.opening != nil {
		c.opening.cancel()
	}
	for _, list := range c.pins {
		for _, h := range list {
			h.Release()
		}
		c.server.pins.give(c.uid, len(list))
	}
	clear(c.pins)
	c.mu.Unlock()
	c.server.left(c)
}

// opening is an open under way, and the context of its wait: cancelled when the
// reader leaves.
type opening struct {
	c *conn

	// Guarded by c.mu.
	done chan struct{} // nil until somebody waits
	err  error
}

// waits tells whether the open has waited, and so has left the reading to another
// goroutine.
func (o *opening) waits() bool {
	o.c.mu.Lock()
	defer o.c.mu.Unlock()
	return o.done != nil
}

// cancel is called with c.mu held.
func (o *opening) cancel() {
	o.err = context.Canceled
	if o.done != nil {
		close(o.done)
	}
}

// Done implements context.Context. A wait begins.
func (o *opening) Done() <-chan struct{} {
	o.c.mu.Lock()
	defer o.c.mu.Unlock()
	if o.done == nil {
		o.done = make(chan struct{})
		o.c.server.running.Go(o.c.read)
	}
	return o.done
}

// Err implements context.Context.
func (o *opening) Err() error {
	o.c.mu.Lock()
	defer o.c.mu.Unlock()
	return o.err
}

// Deadline implements context.Context.
func (*opening) Deadline() (time.Time, bool) { return time.Time{}, false }

// Value implements context.Context.
func (*opening) Value(any) any { return nil }

var _ context.Context = (*opening)(nil)
