package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// openPTY returns both ends of a new pseudo-terminal.
func openPTY(t *testing.T) (user, program *os.File) {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { user.Close() })
	fd := int(user.Fd())
	require.NoError(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	require.NoError(t, err)
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { program.Close() })
	return user, program
}

func TestTerminalInput(t *testing.T) {
	user, program := openPTY(t)
	in := newTerminalInput(program, program)
	mode := func() *unix.Termios {
		m, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
		require.NoError(t, err)
		return m
	}
	before := mode()
	// Keys are pressed when the prompt is there: before, the terminal would
	// have read them in its own way. ^B goes back one character.
	screen := bufio.NewReader(user)
	pressAfter := func(prompt byte, keys string) {
		go func() {
			if _, err := screen.ReadString(prompt); err == nil {
				_, _ = io.WriteString(user, keys)
			}
		}()
	}
	pressAfter('Q', "hllo\x02\x02\x02e\r")
	line, err := in.readLine("Q ")
	require.NoError(t, err)
	require.Equal(t, "hello", line)
	require.Equal(t, before, mode(), "the terminal is given back as it was")

	pressAfter('R', "\x04")
	_, err = in.readLine("R ")
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, before, mode())
}
