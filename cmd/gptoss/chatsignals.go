package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/term"
)

// chatSignals give Ctrl-C its meaning in a chat: it stops the answer, and one more
// ends the program if the answer does not stop. Where nothing is answered the signal
// comes too late, and does nothing: at the prompt Ctrl-C is a key of the editor.
// What else ends the program gives the terminal back first.
type chatSignals struct {
	mu      sync.Mutex
	stop    context.CancelFunc // of the answer under way, or nil
	stopped bool               // it was told to stop
}

// watchChatSignals begins to watch, until end is called.
func watchChatSignals() (s *chatSignals, end func()) {
	s = &chatSignals{}
	fd := int(os.Stdin.Fd())
	before, err := term.GetState(fd)
	restore := func() {
		if err == nil {
			_ = term.Restore(fd, before)
			_, _ = os.Stdout.WriteString("\x1b[?2004l\x1b[?25h\n") // no bracketed paste, a cursor
		}
	}
	came := make(chan os.Signal, 4)
	signal.Notify(came, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		for sig := range came {
			if sig == os.Interrupt && s.interrupt() {
				continue
			}
			restore()
			signal.Reset(sig)
			_ = syscall.Kill(os.Getpid(), sig.(syscall.Signal))
		}
	}()
	return s, func() {
		signal.Stop(came)
		close(came)
	}
}

// interrupt stops the answer; false if it was told to stop before.
func (s *chatSignals) interrupt() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop == nil {
		return true
	}
	if s.stopped {
		return false
	}
	s.stopped = true
	s.stop()
	return true
}

// answering returns the context of an answer, which ends with Ctrl-C, and what to
// call when there is no more to stop.
func (s *chatSignals) answering(ctx context.Context) (context.Context, func()) {
	ctx, stop := context.WithCancel(ctx)
	s.set(stop)
	return ctx, func() {
		s.set(nil)
		stop()
	}
}

func (s *chatSignals) set(stop context.CancelFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop, s.stopped = stop, false
}
