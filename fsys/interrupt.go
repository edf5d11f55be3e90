package fsys

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// fatalContext is cancelled when the thread that makes a request is being
// killed, and by no other signal.
//
// The kernel tells of any signal that is not ignored, but only of the first one
// during a request. The Go runtime signals its own threads all the time (SIGURG,
// to preempt them), so taking every interruption at its word would make opens
// by Go programs fail at random, and Python's or C's at a resized window. So an
// interruption only begins a watch on the thread, which ends with the request.
//
// Nothing is watched, and nothing costs time, unless Done is called: a hit
// never waits and so never does.
type fatalContext struct {
	interrupted <-chan struct{}
	thread      uint32 // in our pid namespace; 0 when it has no number there

	mu      sync.Mutex
	done    chan struct{} // closed when the thread is being killed
	stopped chan struct{} // closed by stop
	err     error
}

// watchInterval is how long a killed reader may have to wait for its end.
const watchInterval = 50 * time.Millisecond

func newFatalContext(interrupted <-chan struct{}, thread uint32) *fatalContext {
	return &fatalContext{interrupted: interrupted, thread: thread}
}

// Deadline implements context.Context.
func (*fatalContext) Deadline() (time.Time, bool) { return time.Time{}, false }

// Value implements context.Context.
func (*fatalContext) Value(any) any { return nil }

// Err implements context.Context.
func (c *fatalContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Done implements context.Context.
func (c *fatalContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		c.stopped = make(chan struct{})
		go c.watch()
	}
	return c.done
}

// stop ends the watch; the request is about to be answered.
func (c *fatalContext) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped != nil {
		close(c.stopped)
		c.stopped = nil
	}
}

func (c *fatalContext) watch() {
	c.mu.Lock()
	stopped := c.stopped
	c.mu.Unlock()
	if stopped == nil {
		return
	}
	select {
	case <-stopped:
		return
	case <-c.interrupted:
	}
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for !beingKilled("/proc", c.thread) {
		select {
		case <-stopped:
			return
		case <-tick.C:
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = context.Canceled
	close(c.done)
}

// beingKilled tells whether SIGKILL is pending for a thread. The kernel turns
// every signal whose default is to end the process, and that the process does
// not handle, into SIGKILLs of its threads.
//
// A thread that proc does not show may be gone or, where proc is mounted with
// hidepid, another user's. Of the latter nothing can be known: its request goes on.
func beingKilled(proc string, thread uint32) bool {
	if thread == 0 {
		return false
	}
	text, err := os.ReadFile(fmt.Sprintf("%s/%d/status", proc, thread))
	if err != nil {
		return errors.Is(unix.Kill(int(thread), 0), unix.ESRCH)
	}
	for line := range strings.Lines(string(text)) {
		set, ok := strings.CutPrefix(line, "SigPnd:")
		if !ok {
			set, ok = strings.CutPrefix(line, "ShdPnd:")
		}
		if !ok {
			continue
		}
		signals, err := strconv.ParseUint(strings.TrimSpace(set), 16, 64)
		if err == nil && signals&(1<<(unix.SIGKILL-1)) != 0 {
			return true
		}
	}
	return false
}
