package storetest

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"expertfs/checkpoint/source/remote"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/stretchr/testify/require"
)

// Bucket is the bucket that S3 serves.
const Bucket = "models"

// Quick is a Retrying for tests, which takes no busy machine for a place that stalls.
var Quick = remote.Retrying{Attempts: 4, First: time.Millisecond, Most: 2 * time.Millisecond, Asked: time.Second, Stall: time.Minute}

// Fault spoils an answer, or leaves it to serve. It may be called concurrently.
type Fault func(w http.ResponseWriter, r *http.Request, serve http.Handler)

// Server serves files.
type Server struct {
	*httptest.Server
	Requests atomic.Int64 // that have come

	mu    sync.Mutex
	fault Fault
}

// Serve serves what handler does, with faults before it.
func Serve(t testing.TB, handler http.Handler) *Server {
	t.Helper()
	s := &Server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.Requests.Add(1)
		s.mu.Lock()
		fault := s.fault
		s.mu.Unlock()
		if fault == nil {
			handler.ServeHTTP(w, r)
			return
		}
		fault(w, r, handler)
	}))
	t.Cleanup(s.Close)
	return s
}

// SetFault makes fault meet the requests from now on, nil none.
func (s *Server) SetFault(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// Store is an object store in memory.
type Store struct {
	*Server
	backend *s3mem.Backend
}

// S3 serves files, by their keys in Bucket, as an object store, and points the
// environment to it.
func S3(t testing.TB, files map[string][]byte) *Store {
	t.Helper()
	backend := s3mem.New()
	require.NoError(t, backend.CreateBucket(Bucket))
	s := &Store{backend: backend, Server: Serve(t, gofakes3.New(backend).Server())}
	for key, data := range files {
		s.Put(t, key, data)
	}
	if e, ok := t.(interface{ Setenv(key, value string) }); ok {
		for name, value := range s.Env() {
			e.Setenv(name, value)
		}
	}
	return s
}

// Secret is the password of Env.
const Secret = "a-secret-that-no-log-may-have"

// Env is what points programs to the store.
func (s *Store) Env() map[string]string {
	return map[string]string{
		"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": Secret,
		"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": s.URL,
		"AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_CONFIG_FILE": os.DevNull,
	}
}

// Put stores a file, in place of one that is there.
func (s *Store) Put(t testing.TB, key string, data []byte) {
	t.Helper()
	_, err := s.backend.PutObject(Bucket, key, map[string]string{"Last-Modified": time.Now().UTC().Format(http.TimeFormat)},
		bytes.NewReader(data), int64(len(data)), nil)
	require.NoError(t, err)
}

// Files reads the files of a folder, by their paths below it after prefix.
func Files(t testing.TB, dir, prefix string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		files[prefix+filepath.ToSlash(name)], err = os.ReadFile(path)
		return err
	}))
	return files
}

// Times makes a fault of the first n requests for ranges alone.
func Times(n int64, f Fault) Fault {
	var seen atomic.Int64
	return func(w http.ResponseWriter, r *http.Request, serve http.Handler) {
		if r.Header.Get("Range") == "" || seen.Add(1) > n {
			serve.ServeHTTP(w, r)
			return
		}
		f(w, r, serve)
	}
}

// Status answers with a code.
func Status(code int) Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { w.WriteHeader(code) }
}

// Reset ends the connection without an answer.
func Reset(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }

// Short sends half of the body and ends the connection.
func Short(w http.ResponseWriter, r *http.Request, serve http.Handler) {
	answer := record(r, serve)
	copyHeader(w, answer)
	_, _ = w.Write(answer.Body.Bytes()[:answer.Body.Len()/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// Stall sends half of the body, and nothing more until the reader gives up.
func Stall(w http.ResponseWriter, r *http.Request, serve http.Handler) {
	answer := record(r, serve)
	copyHeader(w, answer)
	_, _ = w.Write(answer.Body.Bytes()[:answer.Body.Len()/2])
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

// Shifted answers another range than was asked for.
func Shifted(w http.ResponseWriter, r *http.Request, serve http.Handler) {
	other := r.Clone(r.Context())
	other.Header.Set("Range", "bytes=1-17")
	other.Header.Del("Authorization") // which is of another request; fakes do not look
	serve.ServeHTTP(w, other)
}

// Longer sends more than was asked for, without saying so.
func Longer(w http.ResponseWriter, r *http.Request, serve http.Handler) {
	answer := record(r, serve)
	answer.Header().Set("Content-Length", strconv.Itoa(answer.Body.Len()+1))
	copyHeader(w, answer)
	_, _ = w.Write(append(answer.Body.Bytes(), 'x'))
}

func record(r *http.Request, serve http.Handler) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	serve.ServeHTTP(answer, r)
	return answer
}

func copyHeader(w http.ResponseWriter, answer *httptest.ResponseRecorder) {
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
}
