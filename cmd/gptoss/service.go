package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"expertfs/cmd/internal/address"

	"github.com/coreos/go-systemd/v22/daemon"
)

// service is a server from the opening of its port to its end.
type service struct {
	*serveOptions
	handler http.Handler
	server  drainer
	load    func() error       // loads the model; requests wait for it
	base    context.Context    // of all requests
	cancel  context.CancelFunc // ends base
	log     *slog.Logger
}

// drainer is what a service asks of the server that it runs.
type drainer interface {
	Drain()     // new requests are refused
	Busy() bool // requests wait or are computed
}

// How patient the server is with a client that neither sends nor reads, how long
// a stream may be silent, and how often a model that has failed is tried again.
const (
	patience = 30 * time.Second
	comments = 5 * time.Second
	retry    = 3 * time.Second
)

// run listens, loads the model, and serves until ctx ends. Requests under way then have
// the grace to finish.
func (s *service) run(ctx context.Context) error {
	listener, err := s.listen()
	if err != nil {
		return err
	}
	web := &http.Server{
		Handler:           s.handler,
		BaseContext:       func(net.Listener) context.Context { return s.base },
		ReadHeaderTimeout: patience,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	ended, loaded := make(chan error, 1), make(chan error, 1)
	go func() { ended <- s.answer(web, listener) }()
	go func() { loaded <- s.load() }()
	select {
	case err := <-ended:
		<-loaded
		return err
	case err := <-loaded:
		if err != nil {
			return errors.Join(err, web.Close())
		}
		loaded <- nil // for the end
		s.log.Info("ready", "model", s.alias)
		notify(daemon.SdNotifyReady)
	case <-ctx.Done():
	}
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	return errors.Join(s.end(ctx, web), <-loaded)
}

// listen opens the port, and says in the log where it is and who reaches it.
func (s *service) listen() (net.Listener, error) {
	// An IPv6 address may stand in the brackets that it has in a URL.
	host := strings.TrimSuffix(strings.TrimPrefix(s.host, "["), "]")
	listener, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(int(s.port))))
	if err != nil {
		return nil, fmt.Errorf("%w: --host and --port choose another address", err)
	}
	scheme := "http"
	if s.cert != "" {
		scheme = "https"
	}
	s.log.Info("listening", "url", address.URL(scheme, listener.Addr()), "model", s.alias)
	if others := address.Others(listener.Addr()); others != "" && len(s.guard.Keys) == 0 {
		s.log.Warn("every machine that reaches " + others + " may use the model: give an --api-key")
	}
	return listener, nil
}

// answer answers requests until web is closed.
func (s *service) answer(web *http.Server, listener net.Listener) error {
	if s.cert != "" {
		return web.ServeTLS(listener, s.cert, s.certKey)
	}
	return web.Serve(listener)
}

// end gives requests under way the grace to finish, and cancels them after it. Clients
// that neither send nor read are cut off then.
func (s *service) end(ctx context.Context, web *http.Server) error {
	s.log.Info("shutting down", "grace", s.grace)
	notify(daemon.SdNotifyStopping)
	s.server.Drain()
	for over := time.Now().Add(s.grace); s.server.Busy() && time.Now().Before(over); {
		time.Sleep(min(s.grace/10, 20*time.Millisecond))
	}
	s.cancel()
	last, stop := context.WithTimeout(context.WithoutCancel(ctx), min(s.grace, time.Second))
	defer stop()
	err := web.Shutdown(last)
	if errors.Is(err, context.DeadlineExceeded) {
		err = web.Close()
	}
	return err
}

// notify tells systemd, if it has started us.
func notify(state string) { _, _ = daemon.SdNotify(false, state) }
