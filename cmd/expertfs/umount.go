package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"expertfs"
	"expertfs/fsys/mountpoint"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

func newUmountCommand() *cobra.Command {
	var lazy bool
	cmd := &cobra.Command{
		Use:     "umount MOUNTPOINT...",
		Aliases: []string{"unmount"},
		Short:   "Take mounts down",
		Long: `Take mounts down, and wait until their servers have ended. A mount in use is
left alone and its users are listed, unless --lazy is given. What a dead server has
left behind is cleaned up.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			var errs []error
			for _, point := range args {
				errs = append(errs, umount(point, lazy))
			}
			return errors.Join(errs...)
		},
	}
	cmd.Flags().BoolVar(&lazy, "lazy", false, "detach a busy mount now; it ends when its last user lets go")
	return cmd
}

// umount takes one mount down.
func umount(point string, lazy bool) error {
	m, err := mountpoint.Find(point)
	if err != nil {
		return err
	}
	server := findServer(m.Point)
	defer server.close()
	err = mountpoint.Unmount(m.Point, lazy)
	if errors.Is(err, mountpoint.ErrBusy) {
		for _, h := range mountpoint.Holders(m.Point) {
			err = fmt.Errorf("%w\n  %v", err, h)
		}
		return fmt.Errorf("%w\nLeave the folder or close the files, or detach it with --lazy", err)
	}
	if err != nil {
		return err
	}
	if !lazy {
		server.wait()
	}
	return nil
}

// serverProcess is a descriptor of the process that serves a mount, or nothing.
type serverProcess struct{ pidfd int }

// findServer asks the mount for its server. A server that does not answer soon
// is not waited for.
func findServer(point string) serverProcess {
	var s expertfs.Stats
	text, err := readControl(point, expertfs.StatsJSONFile)
	if err != nil || json.Unmarshal(text, &s) != nil || s.PID == os.Getpid() {
		return serverProcess{-1}
	}
	fd, err := unix.PidfdOpen(s.PID, 0)
	if err != nil {
		return serverProcess{-1}
	}
	return serverProcess{fd}
}

// wait returns when the process has ended, so that the memory is free again and
// what it has learned is saved. It gives up after a while: the mount is gone.
func (p serverProcess) wait() {
	const patience = 30 * time.Second
	if p.pidfd < 0 {
		return
	}
	deadline := time.Now().Add(patience)
	for {
		left := max(0, time.Until(deadline)) // poll(2) takes a negative time for ever
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(p.pidfd), Events: unix.POLLIN}}, int(left.Milliseconds()))
		if err != unix.EINTR || left == 0 {
			return
		}
	}
}

func (p serverProcess) close() {
	if p.pidfd >= 0 {
		unix.Close(p.pidfd)
	}
}

// readControl reads a control file of a mount, and gives up on a server that
// does not answer.
func readControl(point, name string) ([]byte, error) {
	const patience = 5 * time.Second
	type result struct {
		text []byte
		err  error
	}
	answer := make(chan result, 1)
	go func() {
		text, err := os.ReadFile(filepath.Join(point, expertfs.ControlPath(name)))
		answer <- result{text, err}
	}()
	select {
	case r := <-answer:
		if errors.Is(r.err, unix.ENOTCONN) {
			return nil, fmt.Errorf("%s: %w", point, mountpoint.ErrStale)
		}
		return r.text, r.err
	case <-time.After(patience):
		return nil, fmt.Errorf("%s: the server does not answer", point)
	}
}
