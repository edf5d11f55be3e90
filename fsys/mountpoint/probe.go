package mountpoint

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"expertfs"

	"golang.org/x/sys/unix"
)

// ErrSilent says that a mount's server lives, as far as can be known, and does not
// answer: it is stopped, or hangs.
var ErrSilent = errors.New("the server does not answer")

// ProbePatience is how long a server is waited for that is asked something.
const ProbePatience = 5 * time.Second

// probePatience is ProbePatience; a test shortens it.
var probePatience = ProbePatience

// A probe asks a mount's server something in a process of its own. The kernel lets
// only SIGKILL end the wait for a server, and a thread that waits keeps the mount
// busy; so the wait must be somebody's who can be killed.
//
// The process is this program, started again under probeName with what to do and
// a path as its arguments. It prints an errno, a newline, and what it has read.
const (
	probeName   = "expertfs-probe"
	probeStatfs = "statfs"
	probeRead   = "read"
	probeWrite  = "write" // what its standard input has
)

// init makes this process a probe where it was started as one, before the program
// that it is part of begins.
func init() {
	if len(os.Args) != 3 || os.Args[0] != probeName {
		return
	}
	var text []byte
	var err error
	switch path := os.Args[2]; os.Args[1] {
	case probeStatfs:
		var st unix.Statfs_t
		err = unix.Statfs(path, &st)
	case probeRead:
		text, err = os.ReadFile(path)
	case probeWrite:
		err = writeInput(path)
	}
	var errno unix.Errno
	if err != nil && !errors.As(err, &errno) {
		errno = unix.EIO
	}
	_, err = fmt.Printf("%d\n%s", errno, text)
	os.Stdout.Close() // the answer is whole: who asked need not wait for more
	if err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

// writeInput writes what standard input has to a file that is there, by one call.
func writeInput(path string) error {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

// probe has a probe do something with path, and returns what it has read.
func probe(what, path, input string) ([]byte, error) {
	answer, into, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer answer.Close()
	child := exec.Command("/proc/self/exe", what, path)
	child.Args[0] = probeName
	child.Stdout = into
	if input != "" {
		child.Stdin = strings.NewReader(input)
	}
	err = child.Start()
	into.Close()
	if err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	defer func() {
		_ = child.Process.Kill() // it may have ended
		select {
		case <-ended: // the mount is as free as it was
		case <-time.After(time.Second): // the kernel does not let go of it; we do
		}
	}()
	go func() {
		defer close(ended)
		_ = child.Wait() // the answer says more
	}()
	if err := answer.SetReadDeadline(time.Now().Add(probePatience)); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(answer)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, ErrSilent
	}
	if err != nil {
		return nil, err
	}
	return parseAnswer(text)
}

// parseAnswer reads what a probe has printed.
func parseAnswer(text []byte) ([]byte, error) {
	for i, c := range text {
		if c != '\n' {
			continue
		}
		errno, err := strconv.Atoi(string(text[:i]))
		switch {
		case err != nil:
			return nil, fmt.Errorf("a probe's answer begins with %q", text[:i])
		case errno != 0:
			return nil, unix.Errno(errno)
		}
		return text[i+1:], nil
	}
	return nil, errors.New("a probe ended without an answer")
}

// Read returns the content of a file of the mount at point. It gives up on a server
// that does not answer soon, with ErrSilent, and then leaves nothing open; a server
// that is gone gives expertfs.ErrDead.
func Read(point, file string) ([]byte, error) {
	return ask(probeRead, point, file, "")
}

// Write writes a text to a control file of the mount at point, by one call. Its errors
// are those of Read, and the kernel's for what the server refuses.
func Write(point, file, text string) error {
	_, err := ask(probeWrite, point, file, text)
	return err
}

// ask has a probe read or write a file of a mount.
func ask(what, point, file, input string) ([]byte, error) {
	path := filepath.Join(point, file)
	text, err := probe(what, path, input)
	switch {
	case errors.Is(err, unix.ENOTCONN):
		return nil, &expertfs.DeadMountError{Point: point}
	case errors.Is(err, ErrSilent):
		return nil, fmt.Errorf("%s: %w: %s", point, err, remedy(point))
	case err != nil:
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return text, nil
}

// remedy is what to do about a server that does not answer.
func remedy(point string) string {
	if m, ok, err := find(point); ok && err == nil {
		if pid := Server(m); pid != 0 && Stopped(pid) {
			return fmt.Sprintf("it is stopped, and kill -CONT %d lets it go on", pid)
		}
	}
	return fmt.Sprintf("expertfs umount --lazy %s detaches it", expertfs.ShellQuote(point))
}

// Dead tells whether a mount's server is gone: every request to such a mount
// fails with ENOTCONN ("Transport endpoint is not connected"). It asks by
// statfs, since the kernel may answer stat from its cache. A server that does
// not answer is not gone.
func Dead(point string) bool {
	_, err := probe(probeStatfs, point, "")
	return errors.Is(err, unix.ENOTCONN)
}
