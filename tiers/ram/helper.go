package ram

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// helperEnv makes a program that calls Helper one that mounts a tmpfs for the
// process that has started it. Its value is the option huge=.
const helperEnv = "EXPERTFS_RAM_HELPER"

// helperReady tells that this program calls Helper.
var helperReady bool

// helperTime is enough for the helper on a busy machine.
const helperTime = 10 * time.Second

// Helper lets Open have a tmpfs where this process may not mount one. A program
// calls it first of all in main, before it has read its arguments.
//
// To mount a tmpfs takes CAP_SYS_ADMIN, which every user has in a user namespace
// of his own, where the system lets him make one. But a program with several
// threads, as all in Go are, cannot enter one. So Open starts this program once
// more, in a new namespace, and Helper mounts the tmpfs there, hands its
// descriptor over, and ends the program. The tmpfs lives on with the descriptor,
// and files made by it belong to the user.
func Helper() {
	helperReady = true
	huge, ok := os.LookupEnv(helperEnv)
	if !ok {
		return
	}
	if err := mountForParent(huge); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// parentFd is the helper's socket.
const parentFd = 3

func mountForParent(huge string) error {
	mount, err := DetachedTmpfs(huge, 0)
	if err != nil {
		return err
	}
	return unix.Sendmsg(parentFd, []byte{0}, unix.UnixRights(mount), nil, 0)
}

// helperTmpfs is DetachedTmpfs by a helper. Nobody can change the limit later, so
// there is none.
func helperTmpfs(huge string, _ int64) (int, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("socketpair: %w", err)
	}
	defer unix.Close(pair[0])
	theirs := os.NewFile(uintptr(pair[1]), "socket")
	ctx, cancel := context.WithTimeout(context.Background(), helperTime)
	defer cancel()
	var stderr strings.Builder
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Env = append(os.Environ(), helperEnv+"="+huge)
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.Stderr = &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
	err = cmd.Run()
	theirs.Close()
	if err != nil {
		if text := strings.TrimSpace(stderr.String()); text != "" {
			err = errors.New(text)
		}
		return -1, fmt.Errorf("in a user namespace: %w", err)
	}
	return receiveFd(pair[0])
}

// receiveFd takes a descriptor that has been sent to a socket.
func receiveFd(socket int) (int, error) {
	rights := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(socket, make([]byte, 1), rights, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("recvmsg: %w", err)
	}
	messages, err := unix.ParseSocketControlMessage(rights[:n])
	if err != nil || len(messages) != 1 {
		return -1, errors.New("the helper has sent no descriptor")
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return -1, errors.New("the helper has sent no descriptor")
	}
	return fds[0], nil
}
