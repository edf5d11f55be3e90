package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"expertfs"
	"expertfs/cmd/internal/logs"
	"expertfs/infer/harmony"
	"expertfs/infer/server"

	"github.com/spf13/cobra"
)

// serveOptions are the flags of serve beside those of the model.
type serveOptions struct {
	host     string
	port     uint16
	alias    string
	strict   bool
	waiting  int
	share    shareFlags
	grace    time.Duration // that requests have at the end
	guard    server.Guard
	keyFile  string
	cert     string
	certKey  string
	messages *conversationFlags
	log      logs.Options
}

func newServeCommand() *cobra.Command {
	o := serveOptions{}
	cmd := &cobra.Command{
		Use:   "serve [--model DIR] [--host ADDRESS] [--port N]",
		Short: "Answer requests over HTTP as OpenAI's and Anthropic's APIs do",
		Long: `Serve answers /v1/chat/completions, /v1/responses, /v1/completions and
/v1/messages, whole or streamed, with tools and structured output; docs/api.md
lists all of it. Several requests are computed at a time, --parallel says how many,
and the others wait. None changes what another gets.

The port opens at once; /health says when the model is loaded. Only this
machine reaches the server, unless --host says otherwise: then give an --api-key.
The first Ctrl-C lets requests under way finish, for --grace at most.`,
		Args: noArgs,
	}
	model := addModelFlags(cmd)
	o.messages = addConversationFlags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&o.host, "host", "127.0.0.1", "address to listen on")
	flags.Uint16Var(&o.port, "port", 8080, "port to listen on; 0 takes any that is free")
	flags.StringVar(&o.alias, "alias", "", "name of the model for clients (default: that of its folder)")
	flags.BoolVar(&o.strict, "strict", false, "refuse requests for models of other names")
	flags.IntVar(&o.waiting, "max-waiting", 64, "most requests that wait for their turn; more are refused")
	flags.IntVar(&o.share.parallel, "parallel", 0, "texts that are computed at a time (default: 4, or fewer where memory is short)")
	flags.StringVar(&o.share.kvRAM, "kv-ram", "auto", "most bytes of keys and values, as a size (auto: half of the free memory)")
	flags.IntVar(&o.share.keep, "conversations", 2, "conversations that are kept, so that their next turn is computed alone")
	flags.DurationVar(&o.grace, "grace", 10*time.Second, "time that requests under way have to finish when the server ends")
	flags.StringArrayVar(&o.guard.Keys, "api-key", nil, "key that clients must send; may be given several times")
	flags.StringVar(&o.keyFile, "api-key-file", "", "file with such keys, one a line")
	flags.StringArrayVar(&o.guard.Origins, "allow-origin", nil, "origin of web pages that may ask, as https://example.org, or *")
	flags.StringArrayVar(&o.guard.Hosts, "allow-host", nil, "name of this machine that clients on it, such as a proxy, may use")
	flags.StringVar(&o.cert, "tls-cert", "", "certificate, to speak TLS; with --tls-key")
	flags.StringVar(&o.certKey, "tls-key", "", "private key of the certificate")
	o.log.Declare(flags, "stderr")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := o.check(); err != nil {
			return err
		}
		handler, err := o.log.Open(cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		log := slog.New(handler)
		m, err := prepareChatModel(model, o.messages, log)
		if err != nil {
			return err
		}
		if err := o.share.fits(model); err != nil {
			return err
		}
		if o.alias == "" {
			if o.alias, err = folderName(model.dir); err != nil {
				return err
			}
		}
		for _, sentence := range idleFlags(cmd, o.needs(), model.prefix.needs(), o.messages.needs(len(m.opening(harmony.Medium, false)) > 0)) {
			log.Warn(sentence)
		}
		ctx, stop := interruptible(cmd.Context())
		defer stop()
		return o.run(ctx, m, log)
	}
	return cmd
}

// folderName is the name of a folder, which is that of the model for clients.
func folderName(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	return filepath.Base(abs), err
}

// check refuses flags that cannot be, and reads the files of keys that they name.
func (o *serveOptions) check() error {
	switch {
	case o.waiting < 0:
		return usageErrorf("--max-waiting %d: must be 0 or more", o.waiting)
	case o.grace < 0:
		return usageErrorf("--grace %v: must be 0 or more", o.grace)
	case (o.cert == "") != (o.certKey == ""):
		return usageErrorf("--tls-cert and --tls-key need each other")
	}
	if err := o.log.Check(); err != nil {
		return usageError{err}
	}
	if o.cert != "" {
		if _, err := tls.LoadX509KeyPair(o.cert, o.certKey); err != nil {
			return usageErrorf("--tls-cert and --tls-key: %w", err)
		}
	}
	if err := o.share.check(); err != nil {
		return err
	}
	if err := o.checkNames(); err != nil {
		return err
	}
	return o.readKeys()
}

// checkNames refuses origins and names of hosts that no request could come with.
func (o *serveOptions) checkNames() error {
	for _, origin := range o.guard.Origins {
		u, err := url.Parse(origin)
		if origin != "*" && (err != nil || u.Scheme == "" || u.Host == "" || origin != u.Scheme+"://"+u.Host) {
			return usageErrorf("--allow-origin %q: want * or an origin such as https://example.org", origin)
		}
	}
	for _, host := range o.guard.Hosts {
		if host == "" || strings.ContainsAny(host, "/ \t") || strings.Count(host, ":") == 1 {
			return usageErrorf("--allow-host %q: want a name such as box.example, without a port", host)
		}
	}
	return nil
}

// readKeys adds the keys of --api-key-file to those of --api-key.
func (o *serveOptions) readKeys() error {
	for _, key := range o.guard.Keys {
		if key == "" {
			return usageErrorf("--api-key is empty")
		}
	}
	if o.keyFile == "" {
		return nil
	}
	text, err := os.ReadFile(o.keyFile)
	if err != nil {
		return fmt.Errorf("--api-key-file: %w", err)
	}
	before := len(o.guard.Keys)
	for line := range strings.Lines(string(text)) {
		if key := strings.TrimSpace(line); key != "" && !strings.HasPrefix(key, "#") {
			o.guard.Keys = append(o.guard.Keys, key)
		}
	}
	if len(o.guard.Keys) == before {
		return fmt.Errorf("--api-key-file: %s has no key", o.keyFile)
	}
	return nil
}

// run serves the model, which is still to be loaded, until ctx ends.
func (o *serveOptions) run(ctx context.Context, model *chatModel, log *slog.Logger) error {
	first := &servedModel{chatModel: model, share: &o.share}
	m := &renewedModel{present: first}
	chat, err := harmony.NewEncoding(model.tokens)
	if err != nil {
		log.Warn("chats will be refused", "err", err)
	}
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	s := &server.Server{
		Model: o.alias, Path: model.name, Tokens: model.tokens, Chat: chat, Waiting: o.waiting, Strict: o.strict,
		Patience: patience, Comments: comments, System: model.opening, Reopen: m.reopen, Retry: retry, Base: base,
		Uses: func() (expertfs.Uses, error) { return usesOf(model.name) }, Guard: o.guard, Log: log,
	}
	handler := s.Handler()
	load := func() error {
		var tables sync.WaitGroup
		tables.Go(s.Warm)
		err := first.load()
		tables.Wait()
		if err != nil {
			return err
		}
		logWay(log, model.name)
		s.Ready(first)
		return nil
	}
	err = (&service{serveOptions: o, handler: handler, server: s, load: load, base: base, cancel: cancel, log: log}).run(ctx)
	return errors.Join(err, m.close())
}

// usesOf tells how the uses of experts have met the cache of the mount at dir.
func usesOf(dir string) (expertfs.Uses, error) {
	stats, err := expertfs.ReadStats(dir)
	if err != nil {
		return expertfs.Uses{}, err
	}
	return stats.Cache.Uses, nil
}
