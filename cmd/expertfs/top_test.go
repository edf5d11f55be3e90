package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// openTerminal makes a terminal: what a program has, and what shows it.
func openTerminal(t *testing.T) (program, screen *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no terminals here: ", err)
	}
	t.Cleanup(func() { screen.Close() })
	fd := int(screen.Fd())
	require.NoError(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 30, Col: 100}))
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	return program, screen
}

func TestTop(t *testing.T) {
	point := mountTiny(t)
	terminal, screen := openTerminal(t)
	cmd := program("top", point)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, terminal
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	cmd.Env = append(cmd.Env, "TERM=xterm-256color")
	require.NoError(t, cmd.Start())
	require.NoError(t, terminal.Close())
	timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()

	seen := make(chan string, 64)
	go func() {
		defer close(seen)
		buf := make([]byte, 1<<16)
		for {
			n, err := screen.Read(buf)
			if err != nil {
				return
			}
			seen <- string(buf[:n])
		}
	}()
	await := func(want string) {
		t.Helper()
		var all strings.Builder
		for text := range seen {
			if all.WriteString(text); strings.Contains(all.String(), want) {
				return
			}
		}
		require.Fail(t, "not shown: "+want, all.String())
	}
	await("experts")
	_, err := screen.WriteString("b")
	require.NoError(t, err)
	await("ram: ")
	_, err = screen.WriteString("\x155MiB\r") // Ctrl-U first
	require.NoError(t, err)
	require.Eventually(t, func() bool { return report(t, point).Cache.Budget == 5<<20 }, patience, 10*time.Millisecond)
	_, err = screen.WriteString("q")
	require.NoError(t, err)
	for range seen {
	}
	require.NoError(t, cmd.Wait())

	r := run(t, "top", point)
	require.Equal(t, exitUsage, r.code)
	require.Contains(t, r.errors, "needs a terminal")
}
