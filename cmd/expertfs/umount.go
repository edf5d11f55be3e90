package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
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
		Long: `Take mounts down, and wait until their servers have ended; when one goes on, say
why. A mount in use is left alone and its users are listed, unless --lazy is given.
What a dead server has left behind is cleaned up. It takes down what is named, and finds
no mount by itself.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return nil
			}
			return errors.New("name what is to be taken down" + mountedNow())
		},
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

// mountedNow goes on with a sentence by the mounts of this machine, "" for none.
func mountedNow() string {
	points, err := expertfs.Mounts()
	if err != nil || len(points) == 0 {
		return ""
	}
	return ", such as " + strings.Join(points, ", ")
}

// umount takes one mount down.
func umount(point string, lazy bool) error {
	m, err := mountpoint.Find(point)
	if err != nil {
		return err
	}
	var server serverProcess // of nobody who is waited for: not after a lazy unmount, nor for a bind mount of a part
	if !lazy && m.Root == "/" {
		server = findServer(m)
		defer server.close()
	}
	records := recordsOf(m, server)
	holders, err := unmount(m.Point, lazy)
	if errors.Is(err, mountpoint.ErrBusy) {
		for _, h := range holders {
			err = fmt.Errorf("%w\n  %v", err, h)
		}
		return fmt.Errorf("%w\nLeave the folder or close the files, or detach it with --lazy", err)
	}
	if err != nil {
		return err
	}
	why := server.wait(m)
	for _, lost := range records.lost(server.pid != 0 && why == "") {
		fmt.Fprintf(os.Stderr, "expertfs: warning: %s: %s\n", m.Point, lost)
	}
	if why != "" {
		return withCode(exitServerLives, fmt.Errorf("%s is unmounted, but its server%s goes on: %s", m.Point, server, why))
	}
	return nil
}

// unmount takes down the mount at point, or finds who keeps it busy. When nobody is
// seen to, it may have been a look at the mount, by a df, a scrape of its figures or
// this program's status: it is tried again, for longer than a look takes.
func unmount(point string, lazy bool) ([]mountpoint.Holder, error) {
	for deadline := time.Now().Add(mountpoint.ProbePatience + time.Second); ; time.Sleep(50 * time.Millisecond) {
		err := mountpoint.Unmount(point, lazy)
		if !errors.Is(err, mountpoint.ErrBusy) {
			return nil, err
		}
		if users := lastingHolders(point); len(users) > 0 || time.Now().After(deadline) {
			return users, err
		}
	}
}

// lastingHolders finds the processes that use the mount at point for longer than a
// moment.
func lastingHolders(point string) []mountpoint.Holder {
	const moment = time.Second
	users := mountpoint.Holders(point)
	for end := time.Now().Add(moment); len(users) > 0 && time.Now().Before(end); {
		time.Sleep(moment / 10)
		now := mountpoint.Holders(point)
		users = slices.DeleteFunc(users, func(u mountpoint.Holder) bool {
			return !slices.ContainsFunc(now, func(n mountpoint.Holder) bool { return n.PID == u.PID })
		})
	}
	return users
}

// serverProcess is the process that serves a mount, with a descriptor of it; its
// zero value is nobody.
type serverProcess struct {
	pid    int
	pidfd  int
	silent bool // it did not answer, and may be unknown
}

// String names the process in a sentence.
func (p serverProcess) String() string {
	if p.pid == 0 {
		return ""
	}
	return fmt.Sprintf(" (pid %d)", p.pid)
}

// findServer finds the server of a mount, as the kernel knows it or else by asking
// the mount. What the mount says is a number in the server's pid namespace: it is
// believed when the process of that number here serves something. A server that is
// not found is not waited for.
func findServer(m mountpoint.Mount) serverProcess {
	p := serverProcess{pid: mountpoint.Server(m)}
	if p.pid == 0 {
		var said struct{ PID int }
		text, err := readControl(m.Point, expertfs.StatsJSONFile)
		p.silent = errors.Is(err, mountpoint.ErrSilent)
		if err != nil || json.Unmarshal(text, &said) != nil || !mountpoint.Serves(said.PID) {
			return p
		}
		p.pid = said.PID
	}
	if p.pid == os.Getpid() {
		return serverProcess{} // the number is of another pid namespace
	}
	fd, err := unix.PidfdOpen(p.pid, 0)
	if err != nil {
		return serverProcess{}
	}
	p.pidfd = fd
	return p
}

// wait returns when the process has ended, so that the memory is free again and
// what it has learned is saved; or it says why that is not to be expected.
func (p serverProcess) wait(m mountpoint.Mount) (why string) {
	const (
		patience = 30 * time.Second
		grace    = 500 * time.Millisecond // between looks at who else has it
		making   = 2 * time.Second        // a namespace that is just being made lets go by itself
	)
	switch {
	case p.silent && p.pid == 0:
		return "it did not answer, and what process it is cannot be known"
	case p.pid == 0:
		return ""
	}
	var kept time.Time // since when others have had it at each look
	for deadline := time.Now().Add(patience); ; {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(p.pidfd), Events: unix.POLLIN}}, int(grace.Milliseconds()))
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err.Error()
		}
		if p.ended() {
			return ""
		}
		switch keepers := mountpoint.Keepers(m); {
		case len(keepers) == 0:
			kept = time.Time{}
		case kept.IsZero():
			kept = time.Now()
		case time.Since(kept) >= making:
			return strings.Join(keepers, "; ")
		}
		if mountpoint.Stopped(p.pid) {
			return fmt.Sprintf("it is stopped; kill -CONT %d lets it end", p.pid)
		}
		if time.Now().After(deadline) {
			return fmt.Sprintf("it has not ended in %v", patience)
		}
	}
}

// ended tells whether the process is gone; its number may be another's then.
func (p serverProcess) ended() bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(p.pidfd), Events: unix.POLLIN}}, 0)
	return err == nil && n > 0
}

// sharesMounts tells whether a path names the same file to the process and to this
// one, as far as their mount namespaces are known.
func (p serverProcess) sharesMounts() bool {
	theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", p.pid))
	own, ownErr := os.Readlink("/proc/self/ns/mnt")
	return err == nil && ownErr == nil && theirs == own
}

func (p serverProcess) close() {
	if p.pid != 0 {
		unix.Close(p.pidfd)
	}
}

// readControl reads a control file of a mount, and gives up on a server that
// does not answer.
func readControl(point, name string) ([]byte, error) {
	return mountpoint.Read(point, expertfs.ControlPath(name))
}
