package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// chatSignals give Ctrl-C its meaning in a chat: it stops the answer, and one more
// ends the program if the answer does not stop. Between answers the signal comes too
// late, and does nothing: at the prompt Ctrl-C is a key of the editor. Before the first
// prompt and after the last it ends the program. What ends the program gives the
// terminal back first. Nil ones do nothing.
type chatSignals struct {
	mu      sync.Mutex
	asking  bool               // the chat asks for messages
	stop    context.CancelFunc // of the answer under way, or nil
	stopped bool               // it was told to stop
}

// watchChatSignals begins to watch, until end is called.
func watchChatSignals(screen *quietTerminal, out io.Writer) (s *chatSignals, end func()) {
	s = &chatSignals{}
	came := make(chan os.Signal, 4)
	signal.Notify(came, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	go func() {
		for sig := range came {
			if sig == os.Interrupt && s.interrupt() {
				continue
			}
			screen.restore()
			fmt.Fprintln(out)
			signal.Reset(sig)
			_ = syscall.Kill(os.Getpid(), sig.(syscall.Signal))
		}
	}()
	return s, func() {
		signal.Stop(came)
		close(came)
	}
}

// ask tells whether messages are asked for from now on.
func (s *chatSignals) ask(asking bool) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asking = asking
}

// interrupt stops the answer; false if the program is to end.
func (s *chatSignals) interrupt() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop == nil {
		return s.asking
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
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop, s.stopped = stop, false
}
