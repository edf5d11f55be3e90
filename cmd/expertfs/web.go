package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"expertfs"
	"expertfs/cmd/expertfs/internal/watch"
	"expertfs/cmd/expertfs/internal/web"
	"expertfs/fsys"

	"github.com/spf13/cobra"
)

func newWebCommand() *cobra.Command {
	var address, keyFile string
	cmd := &cobra.Command{
		Use:   "web [MOUNTPOINT]",
		Short: "Show a mount in the browser while it works",
		Long: `Serve a page that shows a mount while it works: where each expert is and each use
of one as it happens, the hit rate and what readers wait for, and switches for the
policy and the budget. /metrics of the same address is for Prometheus. Ends with
Ctrl-C. Without MOUNTPOINT it is the only mount that this user can use.

It reads the mount's control files. A mount made with --http ADDRESS serves the page
itself.

All users of this machine may see what is on a loopback address, and only the user
who mounted may change it. Beyond that address nobody may change anything, unless
--http-key-file gives a key, which every request then needs.`,
		Example: "  expertfs web /mnt/model",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := web.CheckAddress(address); err != nil {
				return withCode(exitUsage, fmt.Errorf("--http %w", err))
			}
			m, err := watched(args)
			if err != nil {
				return err
			}
			key, err := readKey(keyFile)
			if err != nil {
				return err
			}
			point := watch.Point(m)
			log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
			s, err := web.Listen(address, point, web.Options{Key: key, Writable: point.Writable, Log: log})
			if err != nil {
				return withCode(exitNoListener, fmt.Errorf("--http %s: %w", address, err))
			}
			if w := s.Warning(); w != "" {
				fmt.Fprintln(cmd.ErrOrStderr(), "expertfs: warning:", w)
			}
			fmt.Fprintln(cmd.OutOrStdout(), s.URL())
			signals := make(chan os.Signal, 1)
			signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
			<-signals
			return s.Close()
		},
	}
	cmd.Flags().StringVar(&address, "http", "127.0.0.1:0", "`address` to listen on; port 0 takes any that is free")
	cmd.Flags().StringVar(&keyFile, "http-key-file", "", "let those see and change it who have the key in `FILE`")
	return cmd
}

// watched returns the mount point of the mount that a command is about, which answers.
func watched(args []string) (point string, err error) {
	m, err := theMount(args)
	if err != nil {
		return "", err
	}
	if _, err := readControl(m.Point, expertfs.StatsJSONFile); err != nil {
		return "", err
	}
	if _, err := expertfs.ReadLive(m.Point); errors.Is(err, fs.ErrNotExist) || errors.Is(err, expertfs.ErrNotMounted) {
		return "", fmt.Errorf("%s is served by an older expertfs, which does not tell where experts are: mount it again", m.Point)
	} else if err != nil {
		return "", err
	}
	return m.Point, nil
}

// readKey reads the key of a page, "" without a file.
func readKey(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("--http-key-file: %w", err)
	}
	key := strings.TrimSpace(string(text))
	if key == "" || strings.ContainsAny(key, " \t\r\n") {
		return "", withCode(exitUsage, fmt.Errorf("--http-key-file: %s must have one word", path))
	}
	return key, nil
}

// served is the watch.Source of the mount that this process serves. It must not use
// the mount itself.
type served struct {
	*fsys.FS

	mu      sync.Mutex // guards what follows
	last    *expertfs.Stats
	counted time.Time // when what is mapped was asked for
}

// mappedEvery is how often the kernel is asked what is mapped, for a page.
const mappedEvery = 5 * time.Second

// Stats returns the figures; what is mapped may be some seconds old.
func (s *served) Stats() (*expertfs.Stats, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var stats expertfs.Stats
	if s.last != nil && time.Since(s.counted) < mappedEvery {
		stats = s.FS.StatsAfter(s.last)
	} else {
		stats, s.counted = s.FS.Stats(), time.Now()
	}
	s.last = &stats
	return &stats, nil
}

// Live tells where each expert is.
func (s *served) Live() (*expertfs.Live, error) { return s.FS.Live(), nil }

// page is that of a mount; all is well with one that nobody asked for.
type page struct{ *web.Server }

// openPage opens the page that was asked for.
func (c *mountConfig) openPage(fs *fsys.FS, log *slog.Logger) (page, error) {
	if c.http == "" {
		return page{}, nil
	}
	key, err := readKey(c.httpKey)
	if err != nil {
		return page{}, err
	}
	writable := func() error {
		if c.readOnly {
			return errors.New("the mount is read-only")
		}
		return nil
	}
	s, err := web.Listen(c.http, &served{FS: fs}, web.Options{Key: key, Writable: writable, Process: true, Log: log})
	if err != nil {
		return page{}, withCode(exitNoListener, fmt.Errorf("--http %s: %w", c.http, err))
	}
	log.Info("page", "url", s.URL())
	return page{s}, nil
}

// URL is where the page is, "" for none.
func (p page) URL() string {
	if p.Server == nil {
		return ""
	}
	return p.Server.URL()
}

// Warning is what there is to say about who sees the page, "" for nothing.
func (p page) Warning() string {
	if p.Server == nil {
		return ""
	}
	return p.Server.Warning()
}

// Close ends the page.
func (p page) Close() error {
	if p.Server == nil {
		return nil
	}
	return p.Server.Close()
}
