package bench

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"
)

// echo is a process that sends back what it is sent. An open that a daemon
// answers is one such round trip, and what kernel and daemon do beside it. On an
// idle machine most of both is the wake-up of a sleeping processor.
type echo struct {
	cmd      *exec.Cmd
	to, from *os.File
}

// startEcho starts one. The process is cat(1), which waits in read(2) as a
// daemon does, and has no scheduler of its own that would take time too.
func startEcho() (*echo, error) {
	stdin, to, err := blockingPipe()
	if err != nil {
		return nil, err
	}
	defer stdin.Close()
	from, stdout, err := blockingPipe()
	if err != nil {
		return nil, errors.Join(err, to.Close())
	}
	defer stdout.Close()
	e := &echo{exec.Command("cat"), to, from}
	e.cmd.Stdin, e.cmd.Stdout = stdin, stdout
	if err := e.cmd.Start(); err != nil {
		return nil, errors.Join(err, to.Close(), from.Close())
	}
	return e, nil
}

// blockingPipe makes a pipe that Go's poller has no part in, unlike one of
// os.Pipe: open(2) blocks its thread too.
func blockingPipe() (r, w *os.File, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, fmt.Errorf("pipe: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "pipe"), os.NewFile(uintptr(fds[1]), "pipe"), nil
}

// roundTrip sends a byte and waits for its return.
func (e *echo) roundTrip() error {
	var b [1]byte
	if _, err := e.to.Write(b[:]); err != nil {
		return err
	}
	_, err := io.ReadFull(e.from, b[:])
	return err
}

// close ends the process, by the end of its input.
func (e *echo) close() error {
	return errors.Join(e.to.Close(), e.cmd.Wait(), e.from.Close())
}
