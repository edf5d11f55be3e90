package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLineHistory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "history")
	open := func() *lineHistory {
		h, err := openHistory(path)
		require.NoError(t, err)
		return h
	}
	one, two := open(), open()
	long := strings.Repeat("x", historyEntry+1)
	for _, line := range []string{"a\nb\t\"c\"", "世界", long} {
		_, err := one.Write(line)
		require.NoError(t, err)
	}
	_, err := two.Write("of another chat")
	require.NoError(t, err)
	require.Equal(t, 3, one.Len())
	require.Equal(t, []string{"a\nb\t\"c\"", "世界", "of another chat"}, open().Dump())
	last, err := open().GetLine(2)
	require.NoError(t, err)
	require.Equal(t, "of another chat", last)
	for _, number := range []int{-1, 3} {
		_, err = open().GetLine(number)
		require.Error(t, err)
	}

	for i := range historyMost {
		_, err := one.Write(fmt.Sprint(i))
		require.NoError(t, err)
	}
	require.Equal(t, historyKept, open().Len(), "it is shortened")
	require.Equal(t, fmt.Sprint(historyMost-1), open().lines[historyKept-1])
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	// A file that cannot be had is a note, and a history of this chat alone.
	h, err := openHistory(filepath.Join(path, "below"))
	require.ErrorContains(t, err, "$"+historyVariable)
	_, err = h.Write("a")
	require.NoError(t, err)
	require.Equal(t, 1, h.Len())
}

// A full drive is told of once, and costs the lines of that time alone.
func TestHistoryOnAFullDrive(t *testing.T) {
	h := &lineHistory{path: "/dev/full"}
	require.NoError(t, h.lost())
	for range 2 {
		_, err := h.Write("a")
		require.NoError(t, err)
	}
	err := h.lost()
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.ErrorContains(t, err, "what is typed is not kept")
	require.NoError(t, h.lost())
	require.Equal(t, 2, h.Len())

	path := filepath.Join(t.TempDir(), "history")
	require.NoError(t, os.WriteFile(path, []byte("\"one\"\n\"tor"), 0o600))
	h, err = openHistory(path)
	require.NoError(t, err)
	_, err = h.Write("two\x1b[2J")
	require.NoError(t, err)
	h, err = openHistory(path)
	require.NoError(t, err)
	require.Equal(t, []string{"one", "two"}, h.lines)
}

func TestHistoryPath(t *testing.T) {
	require.Empty(t, historyPath())
	t.Setenv(historyVariable, "")
	t.Setenv("HOME", "/home/ahab")
	t.Setenv("XDG_STATE_HOME", "")
	require.Equal(t, "/home/ahab/.local/state/gptoss/history", historyPath())
	t.Setenv("XDG_STATE_HOME", "/state")
	require.Equal(t, "/state/gptoss/history", historyPath())
	t.Setenv(historyVariable, "/elsewhere")
	require.Equal(t, "/elsewhere", historyPath())
}
