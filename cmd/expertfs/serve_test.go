package main

import (
	"bufio"
	"errors"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"expertfs/fsys/mountpoint"

	"github.com/stretchr/testify/require"
)

// TestMountThatCannotBeAnnounced: who uses it already is served until he lets go,
// and only then is the cache closed.
func TestMountThatCannotBeAnnounced(t *testing.T) {
	needMounts(t)
	var c mountConfig
	c.declare()
	point := newPoint(t)
	c.checkpoint, c.point, c.ram = "embed:tiny", point, "4MiB"
	c.log.File = filepath.Join(t.TempDir(), "log")
	require.NoError(t, c.validate())

	user := exec.Command("sh", "-c", `exec 3< "$0"; echo open; read line; wc -c <&3`, filepath.Join(point, someExpert))
	stdin, err := user.StdinPipe()
	require.NoError(t, err)
	stdout, err := user.StdoutPipe()
	require.NoError(t, err)
	said := bufio.NewReader(stdout)
	open := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- serve(&c, func(ready) error {
			if err := user.Start(); err != nil {
				return err
			}
			defer close(open)
			_, err := said.ReadString('\n')
			return errors.Join(err, errors.New("nobody listens"))
		})
	}()
	<-open
	require.Eventually(t, func() bool { return mountpoint.Check(point) == nil }, patience, poll)
	select {
	case err := <-ended:
		require.Fail(t, "ended with a user", "%v", err)
	case <-time.After(100 * time.Millisecond):
	}
	_, err = stdin.Write([]byte("go on\n"))
	require.NoError(t, err)
	size, err := said.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "34240\n", size)
	require.NoError(t, user.Wait())
	require.ErrorContains(t, <-ended, "nobody listens")
}
