package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"expertfs/infer/harmony"
	"expertfs/infer/server"
)

// serveOptions are the flags of serve beside those of the model.
type serveOptions struct {
	host    string
	port    uint16
	alias   string
	waiting int
	grace   time.Duration // that clients have at the end
	format  *conversationFlags
}

func newServeCommand() *cobra.Command {
	o := serveOptions{grace: 10 * time.Second}
	cmd := &cobra.Command{
		Use:   "serve --model DIR [--host ADDRESS] [--port N]",
		Short: "Answer requests over HTTP in the manner of OpenAI's API",
		Long: `Serve answers POST /v1/chat/completions and /v1/completions, whole or streamed,
GET /v1/models and /health. It computes one request at a time and the others
wait. What it does not support is refused with an error that names the field.

There is no access control: beyond this machine it is reached only if --host
says so.`,
		Args: noArgs,
	}
	model := addModelFlags(cmd)
	o.format = addConversationFlags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&o.host, "host", "127.0.0.1", "address to listen on")
	flags.Uint16Var(&o.port, "port", 8080, "port to listen on; 0 takes any that is free")
	flags.StringVar(&o.alias, "alias", "", "name of the model for clients (default: that of its folder)")
	flags.IntVar(&o.waiting, "max-waiting", 64, "most requests that wait for their turn; more are refused")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if o.waiting < 0 {
			return usageErrorf("--max-waiting %d: must be 0 or more", o.waiting)
		}
		m, err := openChatModel(model, o.format)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, m.close()) }()
		if o.alias == "" {
			if o.alias, err = folderName(model.dir); err != nil {
				return err
			}
		}
		log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
		ctx, stop := interruptible(cmd.Context())
		defer stop()
		return o.serve(ctx, o.server(m, log).Handler(), log)
	}
	return cmd
}

func folderName(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	return filepath.Base(abs), err
}

// server returns what answers requests with m.
func (o *serveOptions) server(m *chatModel, log *slog.Logger) *server.Server {
	chat, err := harmony.NewEncoding(m.tokens)
	if err != nil {
		log.Warn("chats will be refused", "err", err)
	}
	return &server.Server{
		Model: o.alias, Tokens: m.tokens, Chat: chat,
		Engine: m, Waiting: o.waiting, Patience: patience, System: m.opening, Log: log,
	}
}

// patience is how long the server waits for a client that neither sends nor
// reads.
const patience = 30 * time.Second

// serve listens until ctx ends. Requests under way are then cancelled, and
// clients that neither send nor read are cut off when the grace is over.
func (o *serveOptions) serve(ctx context.Context, handler http.Handler, log *slog.Logger) error {
	listener, err := net.Listen("tcp", net.JoinHostPort(o.host, strconv.Itoa(int(o.port))))
	if err != nil {
		return fmt.Errorf("%w: --host and --port choose another address", err)
	}
	listening := &http.Server{
		Handler:           handler,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: patience,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	log.Info("listening", "url", "http://"+listener.Addr().String(), "model", o.alias)
	ended := make(chan error, 1)
	go func() { ended <- listening.Serve(listener) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	log.Info("shutting down")
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.grace)
	defer cancel()
	if err := listening.Shutdown(last); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return listening.Close()
}
