package logs

import (
	"fmt"
	"io"
	"log/slog"
	"log/syslog"
	"os"
	"sync"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/spf13/pflag"
)

// Options are the flags. Their zero value is not valid; Declare gives the defaults.
type Options struct {
	Level  string
	Format string
	File   string
}

// The values of Options.Format. Auto is text, in the form of the journal where stderr is
// one.
const (
	Auto = "auto"
	Text = "text"
	JSON = "json"
)

// Levels are the values of Options.Level.
func Levels() []string { return []string{"debug", "info", "warn", "error"} }

// Formats are the values of Options.Format.
func Formats() []string { return []string{Auto, Text, JSON} }

// Declare declares the flags; elsewhere says where the log goes without a file.
func (o *Options) Declare(f *pflag.FlagSet, elsewhere string) {
	f.StringVar(&o.Level, "log-level", "info", "`level` of what is logged: debug, info, warn or error")
	f.StringVar(&o.Format, "log-format", Auto, "`form` of its lines: text, json, or auto, which is text, and in systemd's journal lines with their priority")
	f.StringVar(&o.File, "log-file", "", "append the log to `FILE` (default: "+elsewhere+")")
}

// Check refuses values that are not allowed.
func (o *Options) Check() error {
	if _, err := o.level(); err != nil {
		return err
	}
	switch o.Format {
	case Auto, Text, JSON:
		return nil
	}
	return fmt.Errorf("--log-format %q: want text, json or auto", o.Format)
}

func (o *Options) level() (slog.Level, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.Level)); err != nil {
		return 0, fmt.Errorf("--log-level %q: want debug, info, warn or error", o.Level)
	}
	return level, nil
}

// Open makes the log in its file, which stays open for the program's life, or else on
// stderr.
func (o *Options) Open(stderr io.Writer) (slog.Handler, error) {
	level, err := o.level()
	if err != nil {
		return nil, err
	}
	w, journaled := stderr, false
	if o.File != "" {
		if w, err = os.OpenFile(o.File, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644); err != nil {
			return nil, fmt.Errorf("--log-file: %w", err)
		}
	} else if o.Format == Auto {
		journaled, _ = journal.StderrIsJournalStream() // what cannot be known is no journal
	}
	if journaled {
		return newPriorities(level, prefixed(w)), nil
	}
	return o.handler(w, level), nil
}

func (o *Options) handler(w io.Writer, level slog.Level) slog.Handler {
	h := &slog.HandlerOptions{Level: level}
	if o.Format == JSON {
		return slog.NewJSONHandler(w, h)
	}
	return slog.NewTextHandler(w, h)
}

// Syslog makes the log of a program without a stderr: in its file, else in syslog, which
// journald reads too. Where there is none nothing is logged, and the error says so.
func (o *Options) Syslog(name string) (h slog.Handler, lost, err error) {
	level, err := o.level()
	if err != nil {
		return nil, nil, err
	}
	if o.File != "" {
		h, err = o.Open(io.Discard)
		return h, nil, err
	}
	s, lost := syslog.New(syslog.LOG_DAEMON|syslog.LOG_INFO, name)
	if lost != nil {
		return slog.DiscardHandler, lost, nil
	}
	return newPriorities(level, func(l slog.Level) io.Writer {
		switch {
		case l >= slog.LevelError:
			return line(s.Err)
		case l >= slog.LevelWarn:
			return line(s.Warning)
		case l >= slog.LevelInfo:
			return line(s.Info)
		}
		return line(s.Debug)
	}), nil, nil
}

// line writes by a function that takes lines.
type line func(string) error

func (f line) Write(p []byte) (int, error) { return len(p), f(string(p)) }

// prefixed gives lines to w whose priority stands first, as sd-daemon(3) has it.
func prefixed(w io.Writer) func(slog.Level) io.Writer {
	var mu sync.Mutex
	return func(l slog.Level) io.Writer {
		priority := "<7>"
		switch {
		case l >= slog.LevelError:
			priority = "<3>"
		case l >= slog.LevelWarn:
			priority = "<4>"
		case l >= slog.LevelInfo:
			priority = "<6>"
		}
		return line(func(text string) error {
			mu.Lock()
			defer mu.Unlock()
			_, err := io.WriteString(w, priority+text)
			return err
		})
	}
}
