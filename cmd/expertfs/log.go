package main

import (
	"fmt"
	"io"
	"log/slog"
	"log/syslog"
	"os"
)

// openLog makes the log that was asked for: to a file, to stderr, or, in the
// background, to syslog where there is one. It stays open for the program's life.
func openLog(c *mountConfig) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.logLevel)); err != nil {
		return nil, withCode(exitUsage, fmt.Errorf("--log-level %q: want debug, info, warn or error", c.logLevel))
	}
	var w io.Writer = os.Stderr
	switch {
	case c.logFile != "":
		f, err := os.OpenFile(c.logFile, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
		if err != nil {
			return nil, err
		}
		w = f
	case !c.foreground:
		w = io.Discard
		s, err := syslog.New(syslog.LOG_DAEMON|syslog.LOG_INFO, "expertfs")
		if err != nil {
			c.unlogged = "there is no syslog here, so nothing is logged: --log-file FILE keeps a log"
		} else {
			w = s
		}
	}
	return slog.New(newFewRepeats(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))), nil
}
