package expertfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestShellQuote(t *testing.T) {
	require.Equal(t, "/data/20b", ShellQuote("/data/20b"))
	for _, word := range []string{"", "/mnt/my model", "it's", "~", "$HOME", "a\nb", `back\slash`, "*", "hf://o/n@main", "größe"} {
		got, err := exec.Command("sh", "-c", "printf %s "+ShellQuote(word)).Output()
		require.NoError(t, err)
		require.Equal(t, word, string(got))
	}
}

// TestExplainDeadLeavesOtherErrors: mounts that are dead are in the tests of commands.
func TestExplainDeadLeavesOtherErrors(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, ExplainDead(dir, nil))
	for _, err := range []error{
		&fs.PathError{Op: "read", Path: dir, Err: syscall.ENOTCONN}, // of a socket, perhaps
		syscall.ENOTCONN, fs.ErrNotExist,
	} {
		require.Equal(t, err, ExplainDead("", err))
		require.Equal(t, err, ExplainDead(dir, err))
	}
	dead := fmt.Errorf("reading: %w", &DeadMountError{"/mnt/my model"})
	require.ErrorIs(t, dead, ErrDead)
	require.ErrorIs(t, dead, syscall.ENOTCONN)
	require.Equal(t, dead, ExplainDead("", dead))
	require.EqualError(t, &DeadMountError{"/mnt/my model"},
		"'/mnt/my model' is a dead mount, its server is gone: expertfs umount '/mnt/my model' takes it away, then mount it again")
}

// TestUsableMounts has mounts that answer, that refuse, and one that hangs.
func TestUsableMounts(t *testing.T) {
	hang := make(chan error)
	defer close(hang)
	points, others := usable([]string{"/a", "/silent", "/dead", "/b"}, func(point string) error {
		switch point {
		case "/silent":
			return <-hang
		case "/dead":
			return errors.New("/dead: gone")
		}
		return nil
	}, usePatience)
	require.Equal(t, []string{"/a", "/b"}, points)
	require.Len(t, others, 2)
	require.EqualError(t, others[0], "/silent: its server does not answer")
	require.EqualError(t, others[1], "/dead: gone")
	points, others = usable(nil, nil, time.Second)
	require.Empty(t, points)
	require.Empty(t, others)
}
