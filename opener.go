package expertfs

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Opener opens the experts of a tree, each by the best way there is: by the
// mount's socket, which hands out the memory itself, or else as a file. Its
// methods may be called concurrently.
type Opener struct {
	root  string
	names Names
	plain bool // root is no mount

	patience time.Duration // answerPatience but in tests

	descriptors, files atomic.Int64

	mu     sync.Mutex
	idle   []*conn // without an open under way
	closed bool
	noDial time.Time // the socket is left alone until then
}

// answerPatience is how long the socket may take to answer: far longer than mounts
// let an open wait, unless they were asked to (expertfs mount --max-wait). Who asks
// for a file instead of a server that is stopped would wait for ever.
const answerPatience = 2 * time.Minute

// redialAfter is how long files are opened before a socket that failed is tried
// again.
const redialAfter = time.Second

// NewOpener makes an opener of the tree at root: a mount, or a folder copied from
// one. It must be closed.
func NewOpener(root string, names Names) *Opener {
	_, err := os.Lstat(filepath.Join(root, ControlDir))
	return &Opener{root: root, names: names, plain: errors.Is(err, os.ErrNotExist), patience: answerPatience}
}

// Close hangs up. Experts that are open stay good.
func (o *Opener) Close() {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	o.hangUp()
}

// Opens tells how many experts were opened by either way.
func (o *Opener) Opens() (bySocket, asFiles int64) { return o.descriptors.Load(), o.files.Load() }

// ExpertFile is an open expert: a file that can be read and mapped.
type ExpertFile struct {
	*os.File
	key      Key
	conn     *conn // nil when it was opened as a file, and after Close
	plain    bool  // it is of no mount
	detached bool
}

// Size is the length of the expert's file in bytes.
func (f *ExpertFile) Size() (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

// Detach closes the descriptor of an expert that is mapped, where the mount knows
// without it that the expert is in use, or where there is no mount. It is for
// readers that keep many mapped.
func (f *ExpertFile) Detach() error {
	if f.conn == nil && !f.plain || f.detached {
		return nil
	}
	f.detached = true
	return f.File.Close()
}

// Close ends the use of an expert. Mappings of it stay good, but as long as there
// are any the mount cannot use the memory for another expert.
func (f *ExpertFile) Close() (err error) {
	if !f.detached {
		err = f.File.Close()
	}
	if c := f.conn; c != nil {
		f.conn = nil
		c.release(f.key)
	}
	return err
}

// Open returns an expert when it is in RAM. Its errors are *os.PathError, with the
// errno of open(2): EBUSY when readers hold all of the RAM tier for too long, EIO
// when the drive or the checkpoint fails, ENOMEM when the mount is short of
// something, ETIMEDOUT when its socket has not answered for two minutes.
func (o *Opener) Open(k Key) (*ExpertFile, error) {
	path := filepath.Join(o.root, filepath.FromSlash(o.names.ExpertPath(k)))
	f, err := o.openBySocket(k, path)
	if f == nil && err == nil {
		f, err = o.openFile(k, path)
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return f, nil
}

// openBySocket returns neither an expert nor an error where the file is to be opened:
// there is no socket, or it has failed, or the mount has no slot to hand out.
func (o *Opener) openBySocket(k Key, path string) (*ExpertFile, error) {
	for try := range 2 { // the first connection may be one to a mount that is gone
		c, err := o.take()
		if errors.Is(err, syscall.ETIMEDOUT) {
			return nil, syscall.ETIMEDOUT
		}
		if c == nil {
			return nil, nil
		}
		fd, err := c.open(k)
		var refused *OpenError
		switch {
		case err == nil:
			o.give(c)
			o.descriptors.Add(1)
			return &ExpertFile{File: os.NewFile(uintptr(fd), path), key: k, conn: c}, nil
		case errors.As(err, &refused):
			o.give(c)
			if refused.Errno == syscall.EAGAIN {
				return nil, nil // no slot is to be had, but the file is served from the drive
			}
			return nil, err
		}
		c.hangUp()
		o.hangUp()
		if errors.Is(err, syscall.ETIMEDOUT) {
			return nil, err
		}
		if try > 0 {
			o.pause()
		}
	}
	return nil, nil
}

// openFile opens the expert's file. Not by os.Open, which would ask the mount whether
// the file can be polled.
func (o *Opener) openFile(k Key, path string) (*ExpertFile, error) {
	var fd int
	err := retry(func() (err error) {
		fd, err = syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	o.files.Add(1)
	return &ExpertFile{File: os.NewFile(uintptr(fd), path), key: k, plain: o.plain}, nil
}

// take returns a connection for one open, nil where there is none to be had, with
// the reason if it was tried.
func (o *Opener) take() (*conn, error) {
	o.mu.Lock()
	n := len(o.idle)
	if n > 0 {
		c := o.idle[n-1]
		o.idle = o.idle[:n-1]
		o.mu.Unlock()
		return c, nil
	}
	none := o.closed || time.Now().Before(o.noDial)
	o.mu.Unlock()
	if none {
		return nil, nil
	}
	// The mount may be slow to answer, which is nobody else's affair.
	c, err := dial(filepath.Join(o.root, ControlDir, SocketFile), o.names, o.patience)
	if err != nil {
		o.pause()
	}
	return c, err
}

// pause leaves the socket alone for a while.
func (o *Opener) pause() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.noDial = time.Now().Add(redialAfter)
}

// give takes a connection back whose open is answered.
func (o *Opener) give(c *conn) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		c.hangUp()
		return
	}
	o.idle = append(o.idle, c)
}

// hangUp ends the connections that have no open under way.
func (o *Opener) hangUp() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range o.idle {
		c.hangUp()
	}
	o.idle = nil
}
