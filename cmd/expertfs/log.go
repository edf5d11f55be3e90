package main

import (
	"fmt"
	"log/slog"
	"os"
)

// openLog makes the log that was asked for: to a file, to stderr, or, in the
// background, to syslog where there is one. It stays open for the program's life.
func openLog(c *mountConfig) (*slog.Logger, error) {
	if c.foreground {
		h, err := c.log.Open(os.Stderr)
		if err != nil {
			return nil, err
		}
		return slog.New(newFewRepeats(h)), nil
	}
	h, lost, err := c.log.Syslog("expertfs")
	if err != nil {
		return nil, err
	}
	if lost != nil {
		c.unlogged = fmt.Sprintf("there is no syslog here (%v), so nothing is logged: --log-file FILE keeps a log", lost)
	}
	return slog.New(newFewRepeats(h)), nil
}
