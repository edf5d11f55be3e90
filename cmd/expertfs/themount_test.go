package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"expertfs"

	"github.com/stretchr/testify/require"
)

// mountsVariable names the mounts that a program of these tests is to find, so that it
// sees none of others.
const mountsVariable = "EXPERTFS_TEST_MOUNTS"

func init() {
	if mounts, ok := os.LookupEnv(mountsVariable); ok {
		usableMounts = func() ([]string, []error, error) { return filepath.SplitList(mounts), nil, nil }
	}
}

// TestTheMount: commands about a mount find the only one; umount does not.
func TestTheMount(t *testing.T) {
	point := mountTiny(t)
	points, _, err := expertfs.UsableMounts()
	require.NoError(t, err)
	require.Contains(t, points, point)

	asked := func(mounts string, args ...string) result {
		cmd := program(args...)
		cmd.Env = append(cmd.Env, mountsVariable+"="+mounts)
		return finish(t, cmd)
	}
	r := asked(point, "bench", "--rounds", "1", "--json")
	require.Zero(t, r.code, r.errors)
	require.Contains(t, asked(point, "top").errors, "needs a terminal")
	require.Contains(t, asked(point, "warm").errors, "checkpoint")
	for _, command := range []string{"bench", "top", "web", "warm"} {
		r := asked(point+":/mnt/b", command)
		require.Equal(t, exitUsage, r.code)
		require.Contains(t, r.errors, "there are 2 mounts; name one:\n  "+point+"\n  /mnt/b")
		r = asked("", command)
		require.Equal(t, exitNotMounted, r.code)
		require.Contains(t, r.errors, "nothing is mounted: expertfs mount CHECKPOINT MOUNTPOINT")
	}
	r = run(t, "umount")
	require.Equal(t, exitUsage, r.code)
	require.Contains(t, r.errors, "name what is to be taken down, such as ")
	require.Contains(t, r.errors, point)
	require.Zero(t, run(t, "umount", point).code)
}

// TestNoMountCanBeUsed tells of each mount why not.
func TestNoMountCanBeUsed(t *testing.T) {
	before := usableMounts
	defer func() { usableMounts = before }()
	usableMounts = func() ([]string, []error, error) {
		return nil, []error{&expertfs.DeadMountError{Point: "/mnt/a"}, errors.New("/mnt/b: mounted by another user, for that user alone")}, nil
	}
	_, err := theMount(nil)
	require.Equal(t, exitNotMounted, exitCode(err))
	require.Equal(t, 3, len(strings.Split(err.Error(), "\n")), err)
	require.ErrorContains(t, err, "no mount can be used:\n  /mnt/a is a dead mount")
}
