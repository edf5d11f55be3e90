package main

import (
	"io"
	"os"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// newByteBar makes a progress bar over total bytes.
func newByteBar(total int64, what string) *progressbar.ProgressBar {
	return newBar(total, what, true)
}

// newCountBar makes a progress bar over total steps.
func newCountBar(total int, what string) *progressbar.ProgressBar {
	return newBar(int64(total), what, false)
}

// newBar makes a progress bar. It is drawn on standard error, and only when that
// is a terminal.
func newBar(total int64, what string, bytes bool) *progressbar.ProgressBar {
	var out io.Writer = os.Stderr
	if !term.IsTerminal(int(os.Stderr.Fd())) {
		out = io.Discard
	}
	return progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(out),
		progressbar.OptionSetDescription(what),
		progressbar.OptionShowBytes(bytes),
		progressbar.OptionThrottle(100_000_000), // nanoseconds between two drawings
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionClearOnFinish(),
	)
}
