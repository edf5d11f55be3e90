package fsys_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"expertfs"
	"expertfs/checkpoint/config"
	"expertfs/checkpoint/layout"
	"expertfs/checkpoint/synth"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// movedEnv is how many files TestMovedPagesKeepTheirBytes moves of each model.
const movedEnv = "EXPERTFS_MOVED"

// moved are bytes of a file that wait in a pipe or a socket. The file is closed.
type moved struct {
	off, size int64
	rest      func() ([]byte, error) // reads them; called once
}

// mover moves pages of an open file, at off and at most size bytes of them,
// without copying them.
type mover func(f *os.File, off, size int64) (moved, error)

// TestMovedPagesKeepTheirBytes moves pages of more experts than RAM holds into
// pipes and sockets, closes the files, and has all of them evicted before it
// reads what was moved. The files are those of the tree by passthrough, and
// descriptors from the mount's socket.
func TestMovedPagesKeepTheirBytes(t *testing.T) {
	t.Run("small", func(t *testing.T) { testMoved(t, openModel(t, "embed:tiny"), serverConfig{Slots: 7}, 1000) })
	t.Run("small memfds", func(t *testing.T) { testMoved(t, openModel(t, "embed:tiny"), serverConfig{Slots: 7, Memfd: true}, 500) })
	t.Run("13 MB", func(t *testing.T) {
		if testing.Short() && os.Getenv(movedEnv) == "" {
			t.Skip("writes a checkpoint of 220 MB")
		}
		testMoved(t, publishedSize(t), serverConfig{Slots: 4}, 150)
	})
}

// publishedSize is a model whose experts are as long as those of gpt-oss.
func publishedSize(t testing.TB) *model {
	t.Helper()
	c, err := config.Preset("tiny")
	require.NoError(t, err)
	c.SetLayers(2)
	c.Experts, c.Hidden, c.Intermediate = 8, 2880, 2880
	dir := filepath.Join(t.TempDir(), "model")
	require.NoError(t, synth.Write(context.Background(), dir, synth.Options{Config: c, Seed: 1, Layout: layout.HuggingFace}))
	return openModel(t, dir)
}

// testMoved moves count files, or as many as movedEnv says.
func testMoved(t *testing.T, m *model, c serverConfig, count int) {
	if text := os.Getenv(movedEnv); text != "" {
		var err error
		count, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	c.Checkpoint = m.path
	s := mount(t, c)
	slots := int(c.Slots)
	socket := expertfs.NewOpener(s.point, m.names())
	defer socket.Close()
	web := startFileServer(t, s.point)
	ways := map[string]func(expertfs.Key, int64, int64) (moved, error){
		"splice of a file":         moveFile(s, m, splicePages),
		"vmsplice of a file":       moveFile(s, m, vmsplicePages),
		"sendfile of a file":       moveFile(s, m, sendfilePages),
		"http.FileServer":          web.move(m),
		"splice of a descriptor":   moveDescriptor(socket, splicePages),
		"vmsplice of a descriptor": moveDescriptor(socket, vmsplicePages),
		"sendfile of a descriptor": moveDescriptor(socket, sendfilePages),
	}
	count = (count + len(ways) - 1) / len(ways)
	for name, move := range ways {
		t.Run(name, func(t *testing.T) {
			if !strings.HasSuffix(name, "descriptor") {
				s.needPassthrough(t)
			}
			before := s.report().Cache.Evictions
			random := rand.New(rand.NewPCG(1, 2))
			wrong, done := 0, 0
			for done < count {
				batch := m.moveBatch(t, move, slots+1, random)
				m.readOthers(t, s, batch, slots)
				for k, b := range batch {
					got, err := b.rest()
					require.NoError(t, err)
					require.Len(t, got, int(b.size))
					if !bytes.Equal(m.files[m.names().ExpertPath(k)][b.off:b.off+b.size], got) {
						wrong++
					}
					done++
				}
			}
			require.Zero(t, wrong, "of %d have other bytes", done)
			require.Empty(t, s.report().Cache.Errors)
			evicted := s.report().Cache.Evictions - before
			require.GreaterOrEqual(t, evicted, int64(done), "those that were moved, or as many")
			t.Logf("%d moved, %d evictions", done, evicted)
		})
	}
}

// pipeBytes is what a pipe can hold without privileges.
const pipeBytes = 1 << 20

// names spells the tree of the model.
func (m *model) names() expertfs.Names {
	c := m.ck.Config()
	return expertfs.Names{Layers: c.Layers, Experts: c.Experts}
}

// moveFile opens a file of the tree, moves pages of it, and closes it.
func moveFile(s *server, m *model, move mover) func(expertfs.Key, int64, int64) (moved, error) {
	return func(k expertfs.Key, off, size int64) (moved, error) {
		f, err := os.Open(s.path(m.names().ExpertPath(k)))
		if err != nil {
			return moved{}, err
		}
		defer f.Close()
		return move(f, off, size)
	}
}

// moveDescriptor does the same with a descriptor from the socket.
func moveDescriptor(socket *expertfs.Opener, move mover) func(expertfs.Key, int64, int64) (moved, error) {
	return func(k expertfs.Key, off, size int64) (moved, error) {
		f, err := socket.Open(k)
		if err != nil {
			return moved{}, err
		}
		defer f.Close()
		return move(f.File, off, size)
	}
}

// moveBatch moves pages of n experts.
func (m *model) moveBatch(t *testing.T, move func(expertfs.Key, int64, int64) (moved, error), n int, random *rand.Rand) map[expertfs.Key]moved {
	t.Helper()
	c := m.ck.Config()
	batch := map[expertfs.Key]moved{}
	size := m.ck.ExpertSize()
	part := min(size, pipeBytes)
	for len(batch) < n {
		k := expertfs.NewKey(random.IntN(c.Layers), random.IntN(c.Experts))
		if _, ok := batch[k]; ok {
			continue
		}
		// Pages are moved whole, so that a pipe holds as many as it should.
		off := random.Int64N(size-part+1) &^ int64(os.Getpagesize()-1)
		b, err := move(k, off, part)
		require.NoError(t, err, k)
		batch[k] = b
	}
	return batch
}

// readOthers reads n experts that are not in the batch, so that they take the
// room of those that are.
func (m *model) readOthers(t *testing.T, s *server, batch map[expertfs.Key]moved, n int) {
	t.Helper()
	for name := range m.files {
		if n == 0 {
			return
		}
		k, expert := m.names().ParseExpertPath(name)
		if _, ok := batch[k]; ok || !expert {
			continue
		}
		got, err := readMapped(s.path(name))
		require.NoError(t, err)
		require.True(t, bytes.Equal(m.files[name], got), name)
		n--
	}
}

// newPipe makes a pipe and an os.File for its reading end.
func newPipe() (r *os.File, w int, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, -1, err
	}
	r = os.NewFile(uintptr(fds[0]), "pipe")
	if _, err := unix.FcntlInt(uintptr(fds[1]), unix.F_SETPIPE_SZ, pipeBytes); err != nil {
		r.Close()
		unix.Close(fds[1])
		return nil, -1, err
	}
	return r, fds[1], nil
}

// restOf reads all of r and closes it.
func restOf(r io.ReadCloser) func() ([]byte, error) {
	return func() ([]byte, error) {
		defer r.Close()
		return io.ReadAll(r)
	}
}

func splicePages(f *os.File, off, size int64) (moved, error) {
	r, w, err := newPipe()
	if err != nil {
		return moved{}, err
	}
	defer unix.Close(w)
	at := off
	for at < off+size {
		n, err := unix.Splice(int(f.Fd()), &at, w, nil, int(off+size-at), unix.SPLICE_F_NONBLOCK)
		if err == unix.EAGAIN || err == nil && n == 0 {
			break // full
		}
		if err != nil {
			return moved{}, err
		}
	}
	return moved{off, at - off, restOf(r)}, nil
}

func vmsplicePages(f *os.File, off, size int64) (moved, error) {
	mem, err := mapOpen(f)
	if err != nil {
		return moved{}, err
	}
	defer unix.Munmap(mem)
	r, w, err := newPipe()
	if err != nil {
		return moved{}, err
	}
	defer unix.Close(w)
	iov := unix.Iovec{Base: &mem[off]}
	iov.SetLen(int(size))
	n, err := unix.Vmsplice(w, []unix.Iovec{iov}, unix.SPLICE_F_NONBLOCK)
	if err != nil {
		return moved{}, err
	}
	return moved{off, int64(n), restOf(r)}, nil
}

func sendfilePages(f *os.File, off, size int64) (moved, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return moved{}, err
	}
	r := os.NewFile(uintptr(pair[0]), "socket")
	defer unix.Close(pair[1])
	if err := unix.SetNonblock(pair[1], true); err != nil {
		return moved{}, err
	}
	at := off
	for at < off+size {
		n, err := unix.Sendfile(pair[1], int(f.Fd()), &at, int(off+size-at))
		if err == unix.EAGAIN || err == nil && n == 0 {
			break // full
		}
		if err != nil {
			return moved{}, err
		}
	}
	return moved{off, at - off, restOf(r)}, nil
}

// fileServer serves a folder by net/http, which sends files by sendfile(2).
type fileServer struct {
	address string
	running atomic.Int64 // requests
}

func startFileServer(t *testing.T, root string) *fileServer {
	t.Helper()
	w := new(fileServer)
	files := http.FileServer(http.Dir(root))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w.address = listener.Addr().String()
	server := &http.Server{Handler: http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
		defer w.running.Add(-1)
		files.ServeHTTP(out, in)
	})}
	done := make(chan error)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		require.NoError(t, server.Close())
		require.ErrorIs(t, <-done, http.ErrServerClosed)
	})
	return w
}

// move asks for a whole file, and reads no further than its second half, or its
// last size/2 bytes, before the server has sent the rest to the socket and has
// closed the file.
func (w *fileServer) move(m *model) func(expertfs.Key, int64, int64) (moved, error) {
	return func(k expertfs.Key, _, size int64) (moved, error) {
		conn, err := net.Dial("tcp", w.address)
		if err != nil {
			return moved{}, err
		}
		w.running.Add(1)
		fmt.Fprintf(conn, "GET /%s HTTP/1.0\r\n\r\n", m.names().ExpertPath(k))
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			return moved{}, err
		}
		if response.StatusCode != http.StatusOK {
			return moved{}, fmt.Errorf("%v: %s", k, response.Status)
		}
		off := max(0, response.ContentLength-size/2)
		if _, err := io.CopyN(io.Discard, response.Body, off); err != nil {
			return moved{}, err
		}
		for end := time.Now().Add(patience); w.running.Load() > 0; time.Sleep(100 * time.Microsecond) {
			if time.Now().After(end) {
				return moved{}, fmt.Errorf("%v: the socket does not take %d bytes", k, size/2)
			}
		}
		return moved{off, response.ContentLength - off, func() ([]byte, error) {
			defer conn.Close()
			return io.ReadAll(response.Body)
		}}, nil
	}
}
