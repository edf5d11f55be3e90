package fsys

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"expertfs/checkpoint/source"
	"expertfs/tiers"
)

// readers tell apart the processes that read experts. The kernel names the
// thread that makes a request; its process is looked up in /proc, where we may
// see it. All others are the shared reader of the cache: threads of a pid
// namespace that is not below ours, and of users that /proc hides from us.
//
// LOCK ORDER: mu is taken before the locks of the cache.
type readers struct {
	cache *tiers.Cache

	mu        sync.Mutex
	processes map[int]*process
	threads   map[uint32]thread
	sweep     *time.Timer // nil while there are neither
	closed    bool
}

// process is one reader.
type process struct {
	pid    int
	born   string // when the process began, which tells it from a later one of the same pid
	reader *tiers.Reader
}

// thread is what was found out about a thread.
type thread struct {
	process *process // nil: it cannot be told from others
	until   time.Time
}

const (
	// threadMemory is how long a thread is taken for what it was. Within that
	// time the kernel does not give its number to another.
	threadMemory = time.Second
	// sweepEvery is how long the reader of a process that has ended may stay.
	sweepEvery = time.Second
	// crowded is how many readers there may be before a new one has the others
	// looked through at once.
	crowded = 48
)

func newReaders(c *tiers.Cache) *readers {
	return &readers{cache: c, processes: map[int]*process{}, threads: map[uint32]thread{}}
}

// of returns the reader that a thread belongs to. Thread 0 has no number that we
// know.
func (rs *readers) of(id uint32) *tiers.Reader {
	if id == 0 {
		return rs.cache.Shared()
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	now := time.Now()
	t, ok := rs.threads[id]
	if !ok || now.After(t.until) {
		t = thread{rs.find(id), now.Add(threadMemory)}
		rs.threads[id] = t
		if rs.sweep == nil && !rs.closed {
			rs.sweep = time.AfterFunc(sweepEvery, rs.swept)
		}
	}
	if t.process == nil {
		return rs.cache.Shared()
	}
	return t.process.reader
}

// find looks a thread's process up. rs.mu is held.
func (rs *readers) find(id uint32) *process {
	pid, name, ok := processOf(id)
	if !ok || rs.closed {
		return nil
	}
	born, alive := birth(pid)
	if !alive {
		return nil
	}
	if p := rs.processes[pid]; p != nil {
		if p.born == born {
			return p
		}
		rs.forget(p)
	}
	if len(rs.processes) >= crowded {
		rs.lookThrough()
	}
	p := &process{pid, born, rs.cache.NewReader(tiers.ReaderInfo{PID: pid, Name: name})}
	rs.processes[pid] = p
	return p
}

// swept is called from time to time while there are readers.
func (rs *readers) swept() {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.sweep = nil
	if rs.closed {
		return
	}
	rs.lookThrough()
	if len(rs.processes)+len(rs.threads) > 0 {
		rs.sweep = time.AfterFunc(sweepEvery, rs.swept)
	}
}

// lookThrough forgets what has ended. rs.mu is held.
func (rs *readers) lookThrough() {
	for _, p := range rs.processes {
		if born, alive := birth(p.pid); !alive || born != p.born {
			rs.forget(p)
		}
	}
	now := time.Now()
	for id, t := range rs.threads {
		if now.After(t.until) {
			delete(rs.threads, id)
		}
	}
}

// forget ends a reader. rs.mu is held.
func (rs *readers) forget(p *process) {
	delete(rs.processes, p.pid)
	for id, t := range rs.threads {
		if t.process == p {
			delete(rs.threads, id)
		}
	}
	p.reader.Close()
}

// close ends all readers.
func (rs *readers) close() {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.closed = true
	if rs.sweep != nil {
		rs.sweep.Stop()
		rs.sweep = nil
	}
	for _, p := range rs.processes {
		rs.forget(p)
	}
}

// processOf returns the process of a thread, and the name of its program. The process
// chooses that name, and others print it on their terminals.
func processOf(thread uint32) (pid int, name string, ok bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", thread))
	if err != nil {
		return 0, "", false
	}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":\t")
		switch key {
		case "Name":
			name = source.Printable(strings.ToValidUTF8(value, "?"))
		case "Tgid":
			pid, err = strconv.Atoi(value)
			return pid, name, err == nil && pid > 0
		}
	}
	return 0, "", false
}

// birth returns when a process began, in the kernel's words. A process that has
// ended and is not waited for yet is not alive.
func birth(pid int) (when string, alive bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", false
	}
	// The name, in brackets, may contain anything.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	const state, started = 0, 19 // fields 3 and 22 of proc_pid_stat(5)
	if len(fields) <= started || fields[state][0] == 'Z' || fields[state][0] == 'X' {
		return "", false
	}
	return string(fields[started]), true
}
