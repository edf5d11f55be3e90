package handout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"expertfs"
	"expertfs/tiers"

	"golang.org/x/sys/unix"
)

// Reader opens experts for one process.
type Reader interface {
	Open(ctx context.Context, k expertfs.Key) (*tiers.Handle, error)
}

// Options of a Server.
type Options struct {
	Names      expertfs.Names
	AllowOther bool // let other users in; by default only our own gets in

	// Reader returns the reader that a process is. The number is 0 for a process in
	// another pid namespace.
	Reader func(pid int) Reader
	// Dense opens a dense file.
	Dense func(ctx context.Context, d tiers.Dense) (*tiers.Handle, error)
	// Errno is what readers are told of an error of Reader.Open, or of Dense.
	Errno func(error) syscall.Errno
	// Residency returns the descriptor of the page that shows which experts are in
	// RAM, which stays its owner's; ok is false where there is none.
	Residency func() (fd int, ok bool)

	Log *slog.Logger
}

// Server serves the socket of a mount.
type Server struct {
	options  Options
	folder   *folder
	listener *net.UnixListener
	opens    atomic.Int64
	running  sync.WaitGroup // goroutines

	connections, pins *quota // have locks of their own, taken last

	mu     sync.Mutex
	conns  map[*conn]struct{}
	closed bool
}

// Listen makes the socket. Nobody is served before Serve.
func Listen(o Options) (*Server, error) {
	folder, err := newFolder(o.AllowOther)
	if err != nil {
		return nil, fmt.Errorf("no folder for a socket: %w", err)
	}
	s := &Server{options: o, folder: folder, conns: make(map[*conn]struct{}),
		connections: newQuota(mostConns(), o.AllowOther), pins: newQuota(maxPins, o.AllowOther)}
	s.listener, err = net.ListenUnix("unixpacket", &net.UnixAddr{Name: folder.bindPath(), Net: "unixpacket"})
	if err != nil {
		folder.remove()
		return nil, fmt.Errorf("no socket: %w", err)
	}
	s.listener.SetUnlinkOnClose(false)
	mode := os.FileMode(0o600)
	if o.AllowOther {
		mode = 0o666
	}
	if err := os.Chmod(folder.socket(), mode); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// maxConns bounds the connections. A program has as many as it opens experts at a
// time.
const maxConns = 4096

// maxPins bounds what the connections have open: half of it is more than any model
// has experts.
const maxPins = 1 << 19

// mostConns leaves most descriptors of this process to the slots. Who gets no
// connection opens files.
func mostConns() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return maxConns
	}
	return int(min(maxConns, max(16, limit.Cur/4)))
}

// Path is where the socket is.
func (s *Server) Path() string { return s.folder.socket() }

// Opens is the number of descriptors handed out.
func (s *Server) Opens() int64 { return s.opens.Load() }

// Serve begins to serve.
func (s *Server) Serve() { s.running.Go(s.accept) }

// Close hangs up on all readers and removes the socket. Descriptors that they
// have stay good. When it returns, no handle is open.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	for c := range s.conns {
		c.socket.Close()
	}
	s.mu.Unlock()
	s.listener.Close()
	s.running.Wait()
	s.folder.remove()
}

// acceptAgain is how long to wait after an error that may pass: no descriptors.
const acceptAgain = 10 * time.Millisecond

func (s *Server) accept() {
	failing := false
	for {
		socket, err := s.listener.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			if !failing {
				s.options.Log.Warn("readers cannot connect to the socket", "err", err)
			}
			failing = true
			time.Sleep(acceptAgain)
			continue
		}
		failing = false
		if err := s.welcome(socket); err != nil {
			s.options.Log.Debug("a reader was hung up on", "err", err)
			socket.Close()
		}
	}
}

// welcome begins to serve a connection.
func (s *Server) welcome(socket *net.UnixConn) error {
	peer, err := peerOf(socket)
	if err != nil {
		return err
	}
	// A mount that does not allow others keeps out root as well.
	if !s.options.AllowOther && peer.Uid != uint32(os.Geteuid()) {
		return fmt.Errorf("user %d may not read this mount", peer.Uid)
	}
	reader := s.options.Reader(int(peer.Pid)) // which takes locks, and reads /proc
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	if !s.connections.take(peer.Uid) {
		return fmt.Errorf("user %d has as many connections as there can be for him", peer.Uid)
	}
	c := &conn{server: s, socket: socket, uid: peer.Uid, reader: reader, pins: make(map[expertfs.Key][]*tiers.Handle)}
	s.conns[c] = struct{}{}
	s.running.Go(c.read)
	return nil
}

// left forgets a connection that is over.
func (s *Server) left(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	s.connections.give(c.uid, 1)
}

// peerOf tells who has connected.
func peerOf(socket *net.UnixConn) (peer *unix.Ucred, err error) {
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil, err
	}
	bad := raw.Control(func(fd uintptr) {
		peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	return peer, errors.Join(err, bad)
}
