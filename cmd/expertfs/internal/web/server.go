package web

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"expertfs"
	"expertfs/cmd/expertfs/internal/watch"
	"expertfs/cmd/internal/address"
	"expertfs/fsys/metrics"
	"expertfs/policy"
)

//go:embed page
var files embed.FS

// Options tell how a mount is shown.
type Options struct {
	Key      string       // that every request for figures must have; "" asks for none
	Writable func() error // nil, or why nobody may change the mount
	Process  bool         // this process serves the mount, so that its own figures are metrics too
	Log      *slog.Logger
}

// Server shows a mount over HTTP. It must be closed.
type Server struct {
	source watch.Source
	o      Options
	guard  guard
	hub    *hub
	http   *http.Server
	listen net.Listener
	done   chan struct{}
}

// Listen opens the listener at HOST:PORT, and serves.
func Listen(at string, source watch.Source, o Options) (*Server, error) {
	l, err := net.Listen("tcp", at)
	if err != nil {
		return nil, err
	}
	s := &Server{source: source, o: o, listen: l, done: make(chan struct{})}
	s.guard = guard{key: o.Key, loopback: isLoopback(l.Addr())}
	s.hub = newHub(source, s.first)
	s.http = &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: patience,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	go func() {
		defer close(s.done)
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			o.Log.Error("the page has ended", "err", err)
		}
	}()
	return s, nil
}

// patience is how long a client may take to send a request, or to read an event.
const patience = 10 * time.Second

// URL is where the page is, for browsers of this machine.
func (s *Server) URL() string { return address.URL("http", s.listen.Addr()) + "/" }

// Warning says that others than this machine reach the page, "" where they do not.
func (s *Server) Warning() string {
	if s.guard.loopback || s.guard.key != "" {
		return ""
	}
	return "every machine that reaches " + address.Others(s.listen.Addr()) + " sees this mount; it can change nothing, unless --http-key-file gives a key"
}

// Close ends the listener and all streams.
func (s *Server) Close() error {
	s.hub.close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close()
	}
	<-s.done
	return err
}

// handler returns the handler of all paths.
func (s *Server) handler() http.Handler {
	sub, err := fs.Sub(files, "page")
	if err != nil {
		panic(err) // the folder is embedded
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", noCache(http.FileServerFS(sub)))
	mux.Handle("GET /health", &health{live: question[*expertfs.Live]{ask: s.source.Live}, silent: s.guard.key != ""})
	mux.Handle("GET /events", s.guard.keyed(s.events))
	mux.Handle("GET /metrics", s.guard.keyed(metrics.Handler(s.figures(), s.o.Process).ServeHTTP))
	mux.Handle("POST /set", s.guard.keyed(s.set))
	return hurried(s.guard.handler(mux))
}

// hurried is h, with an end to how long a client takes to send a body. The server reads
// it where h does not, as it refuses the request.
func hurried(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != http.NoBody {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(patience))
		}
		h.ServeHTTP(w, r)
	})
}

// noCache has a browser ask each time: the files are small, and those of another
// version must not be mixed.
func noCache(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		h.ServeHTTP(w, r)
	})
}

// figures returns what reads the figures for a scrape, which may come for ever, every few
// seconds, while the mount hangs.
func (s *Server) figures() func() (*expertfs.Stats, error) {
	q := &question[*expertfs.Stats]{ask: s.source.Stats}
	return func() (*expertfs.Stats, error) { return q.answered(context.Background()) }
}

// shown is what of the figures leaves the process: a checkpoint may be named by a
// URL with a password in it.
func shown(s *expertfs.Stats) *expertfs.Stats {
	copied := *s
	if u, err := url.Parse(s.Checkpoint); err == nil && u.Scheme != "" && u.Opaque == "" {
		u.RawQuery, u.Fragment = "", ""
		copied.Checkpoint = u.Redacted()
	}
	return &copied
}

// welcome is the first event of a stream.
type welcome struct {
	Stats    *expertfs.Stats `json:"stats"`
	Places   string          `json:"places"` // a letter for each expert, layer by layer
	Uses     []int64         `json:"uses"`
	Heat     []int           `json:"heat"`
	Policies []string        `json:"policies"`
	ReadOnly string          `json:"readonly"` // why the mount cannot be changed from here
}

// first makes the first event of a stream.
func (s *Server) first(now *state) []byte {
	w := welcome{Stats: now.stats, Heat: heats(now.live), Policies: policy.Names()}
	places := make([]byte, len(now.live.All))
	for i, e := range now.live.All {
		places[i] = byte(e.Place)
		w.Uses = append(w.Uses, e.Uses)
	}
	w.Places = string(places)
	if err := s.writable(); err != nil {
		w.ReadOnly = err.Error()
	}
	return message("welcome", w)
}

// writable tells whether the mount can be changed from here by anybody.
func (s *Server) writable() error {
	if !s.guard.loopback && s.guard.key == "" {
		return errNoKey
	}
	return s.o.Writable()
}

// events answers GET /events with a stream.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	p, err := s.hub.open()
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err)
		return
	}
	defer s.hub.shut(p)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	c := http.NewResponseController(w)
	for {
		select {
		case <-r.Context().Done():
			return
		case event, ok := <-p.events:
			if !ok {
				return
			}
			if c.SetWriteDeadline(time.Now().Add(patience)) != nil {
				return
			}
			if _, err := w.Write(event); err != nil || c.Flush() != nil {
				return
			}
		}
	}
}

// change is what POST /set asks for: one of its fields.
type change struct {
	Policy string `json:"policy"`
	RAM    string `json:"ram"`
}

// set answers POST /set.
func (s *Server) set(w http.ResponseWriter, r *http.Request) {
	if err := errors.Join(s.writable(), s.guard.mayChange(r)); err != nil {
		fail(w, http.StatusForbidden, err)
		return
	}
	var c change
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	file, text := expertfs.PolicyFile, c.Policy
	if c.RAM != "" {
		file, text = expertfs.RAMFile, c.RAM
	}
	if c.Policy != "" && c.RAM != "" || text == "" {
		fail(w, http.StatusBadRequest, errors.New("want one of policy and ram"))
		return
	}
	if err := s.source.Set(file, text); err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	s.o.Log.Log(context.Background(), slog.LevelInfo, "changed from the page", "file", file, "to", text, "by", r.RemoteAddr)
	w.WriteHeader(http.StatusNoContent)
}

// failure is the body of an answer that is none.
type failure struct {
	Error string `json:"error"`
}

func fail(w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(failure{err.Error()}) // who has gone reads nothing
}
