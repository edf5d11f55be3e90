package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
)

// readyFD names, in the environment of the background process, the descriptor
// of the pipe on which its parent waits.
const readyFD = "EXPERTFS_READY_FD"

// outcome is what the background process reports to its parent, once.
type outcome struct {
	Ready *ready `json:"ready,omitempty"`
	Code  int    `json:"code,omitempty"` // exit code of a failure, which it has printed
}

// errReported is a failure that has been printed already.
var errReported = errors.New("reported already")

// daemonise mounts in a process of its own, in the background, and returns when
// that serves or has failed. Go programs cannot fork, so this program is started
// again with the same arguments and told by its environment what it is.
func daemonise(c *mountConfig) error {
	if fd, ok := os.LookupEnv(readyFD); ok {
		return serveInBackground(c, fd)
	}
	reports, report, err := os.Pipe()
	if err != nil {
		return err
	}
	defer reports.Close()
	if err := keepDescriptors(); err != nil {
		return err
	}
	child := exec.Command("/proc/self/exe", os.Args[1:]...)
	child.Args[0] = os.Args[0]
	child.Env = append(os.Environ(), readyFD+"=3")
	child.Stderr = os.Stderr // until it serves; fusermount3 writes there too
	child.ExtraFiles = []*os.File{report}
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	if err := child.Start(); err != nil {
		return err
	}
	report.Close() // the child's copy is the last: its death ends the pipe
	go func() {
		// Who gives up waiting does not want the mount.
		for s := range signals {
			_ = child.Process.Signal(s) // it may be gone already
		}
	}()
	var o outcome
	if err := json.NewDecoder(reports).Decode(&o); err != nil {
		return endedSilently(err, child.Wait())
	}
	if o.Ready == nil {
		_ = child.Wait() // it says the same by its exit code
		return withCode(o.Code, errReported)
	}
	return announce(*o.Ready)
}

// endedSilently explains the end of a server that has not reported: read is what came
// of waiting for that, ended of waiting for its end.
func endedSilently(read, ended error) error {
	var exit *exec.ExitError
	status, ok := syscall.WaitStatus(0), false
	if errors.As(ended, &exit) {
		status, ok = exit.Sys().(syscall.WaitStatus)
	}
	const remedy = "expertfs mount -f shows what it says"
	switch {
	case ok && status.Signaled() && status.Signal() == syscall.SIGKILL:
		return errors.New("the server was killed before it served: by the kernel if memory is short here (dmesg, and memory.events of a control group, tell), else by somebody; a smaller --ram needs less")
	case ok && status.Signaled():
		return fmt.Errorf("the server was ended by a signal (%v) before it served; %s", status.Signal(), remedy)
	case ok:
		return fmt.Errorf("the server ended with code %d before it served; %s", status.ExitStatus(), remedy)
	}
	return fmt.Errorf("the server ended before it served: %w; %s", cmp.Or(ended, read), remedy)
}

// keepDescriptors keeps what this process was started with, beyond the standard
// three, to itself: a lock or a pipe of the caller's must not live on in a server
// that knows nothing of it.
func keepDescriptors() error {
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, fd := range fds {
		if n, err := strconv.Atoi(fd.Name()); err == nil && n > 2 {
			syscall.CloseOnExec(n)
		}
	}
	return nil
}

// serveInBackground serves and reports to the parent on the descriptor fd.
func serveInBackground(c *mountConfig, fd string) error {
	n, err := strconv.Atoi(fd)
	if err != nil {
		return fmt.Errorf("%s=%q: %w", readyFD, fd, err)
	}
	if err := os.Unsetenv(readyFD); err != nil {
		return err
	}
	syscall.CloseOnExec(n)
	// Without it the kernel shows the link that this program was started by, "exe".
	if err := os.WriteFile("/proc/self/comm", []byte("expertfs"), 0); err != nil {
		return err
	}
	parent := os.NewFile(uintptr(n), "parent")
	tell := func(o outcome) error {
		defer parent.Close()
		return json.NewEncoder(parent).Encode(o)
	}
	serving := false
	err = serve(c, func(r ready) error {
		if err := c.letGo(); err != nil {
			return err
		}
		serving = true
		return tell(outcome{Ready: &r})
	})
	if err != nil && !serving {
		return errors.Join(err, tell(outcome{Code: exitCode(err)}))
	}
	return err
}

// letGo drops what the background process has of its parent's: stderr, on which
// others may wait for its end, and the folder, which it would keep busy.
func (c *mountConfig) letGo() error {
	name := os.DevNull
	if c.log.File != "" {
		name = c.log.File // where a panic of ours is of use
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := syscall.Dup3(int(f.Fd()), 2, 0); err != nil {
		return err
	}
	return os.Chdir("/")
}
