package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"expertfs"
	"expertfs/checkpoint"
	"expertfs/checkpoint/checkpointtest"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// loopDrive is a drive of its own: a file as a block device, with a filesystem.
type loopDrive struct{ device, dir string }

// newLoopDrive makes a drive and mounts it, where this machine can.
func newLoopDrive(t *testing.T, bytes int64) *loopDrive {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("loop devices need root")
	}
	for _, tool := range []string{"losetup", "mkfs.ext4", "mount", "umount"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(tool, " is not installed")
		}
	}
	root := t.TempDir()
	image := filepath.Join(root, "image")
	require.NoError(t, os.WriteFile(image, nil, 0o600))
	require.NoError(t, os.Truncate(image, bytes))
	device, err := exec.Command("losetup", "-f", "--show", image).Output()
	if err != nil {
		t.Skip("no loop device can be made here: ", err)
	}
	d := &loopDrive{strings.TrimSpace(string(device)), filepath.Join(root, "drive")}
	t.Cleanup(func() { d.tool(t, "losetup", "-d", d.device) })
	require.NoError(t, os.Mkdir(d.dir, 0o700))
	d.tool(t, "mkfs.ext4", "-q", "-m", "0", d.device)
	if err := exec.Command("mount", d.device, d.dir).Run(); err != nil {
		t.Skip("ext4 cannot be mounted here: ", err)
	}
	t.Cleanup(func() {
		err := unix.Unmount(d.dir, unix.MNT_DETACH)
		require.True(t, err == nil || err == unix.EINVAL, "%v", err) // which a test has pulled
	})
	return d
}

func (d *loopDrive) tool(t *testing.T, name string, args ...string) {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	require.NoError(t, err, "%s: %s", name, out)
}

// pull takes a drive away from under those who use it.
func (d *loopDrive) pull(t *testing.T) {
	t.Helper()
	require.NoError(t, unix.Unmount(d.dir, unix.MNT_DETACH))
}

func (d *loopDrive) putBack(t *testing.T) {
	t.Helper()
	d.tool(t, "mount", d.device, d.dir)
}

// throttle makes a control group whose processes read so many bytes a second from each
// of the drives, and returns its folder; "" where that is not possible.
func throttle(t *testing.T, speed int, drives ...*loopDrive) (group string) {
	t.Helper()
	name := fmt.Sprintf("expertfs-mirror-%d", os.Getpid())
	for _, v := range []struct{ dir, file, value string }{
		{"/sys/fs/cgroup/blkio/" + name, "blkio.throttle.read_bps_device", "%s %d"},
		{"/sys/fs/cgroup/" + name, "io.max", "%s rbps=%d"},
	} {
		if _, err := os.Stat(filepath.Dir(v.dir) + "/cgroup.procs"); err != nil || os.Mkdir(v.dir, 0o755) != nil {
			continue
		}
		t.Cleanup(func() {
			require.Eventually(t, func() bool { return os.Remove(v.dir) == nil }, patience, poll)
		})
		slow := true
		for _, d := range drives {
			number, err := os.ReadFile(filepath.Join("/sys/class/block", filepath.Base(d.device), "dev"))
			require.NoError(t, err)
			limit := fmt.Sprintf(v.value, strings.TrimSpace(string(number)), speed)
			slow = slow && os.WriteFile(filepath.Join(v.dir, v.file), []byte(limit), 0) == nil
		}
		if slow {
			return v.dir
		}
	}
	return ""
}

// copyModel copies a folder.
func copyModel(t *testing.T, from, to string) string {
	t.Helper()
	require.NoError(t, os.CopyFS(to, os.DirFS(from)))
	return to
}

// mountMirrored mounts a model with mirrors, in a control group unless that is "".
func mountMirrored(t *testing.T, group, model string, flags ...string) (point, log string) {
	t.Helper()
	needMounts(t)
	point, log = newPoint(t), filepath.Join(t.TempDir(), "log")
	mount := program(append([]string{"mount", "--ram", "4MiB", "--log-file", log, model, point}, flags...)...)
	if group != "" {
		mount.Path, mount.Args = "/bin/sh", append([]string{"sh", "-c", `echo $$ > "$0"/cgroup.procs; exec "$@"`, group}, mount.Args...)
	}
	r := finish(t, mount)
	require.Zero(t, r.code, r.errors)
	return point, log
}

// compareExperts opens all experts of a mount, several at a time, and compares them with
// those of the checkpoint.
func compareExperts(t *testing.T, point string, want map[string][]byte) {
	t.Helper()
	paths := make(chan string)
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for path := range paths {
				got, err := os.ReadFile(filepath.Join(point, path))
				if err != nil || !bytes.Equal(want[path], got) {
					t.Errorf("%s: %v, or other bytes", path, err)
				}
			}
		})
	}
	for path := range want {
		paths <- path
	}
	close(paths)
	readers.Wait()
}

func contentsOf(t *testing.T, model string) map[string][]byte {
	t.Helper()
	ck, err := checkpoint.Open(model)
	require.NoError(t, err)
	defer ck.Close()
	files, err := checkpointtest.Files(ck)
	require.NoError(t, err)
	return files
}

// TestTwoDrives reads a checkpoint from two slow drives of which one, then the other, is
// pulled while it is read, put back, and pulled together. Which is faster is for
// scripts/bench-mirror.sh to measure.
func TestTwoDrives(t *testing.T) {
	needMounts(t)
	a, b := newLoopDrive(t, 96<<20), newLoopDrive(t, 96<<20)
	own, mirror := filepath.Join(a.dir, "model"), filepath.Join(b.dir, "model")
	require.Zero(t, run(t, "synth", "--layers", "2", "--hidden", "512", "--intermediate", "512", "--vocab", "1024", "--layout", "hf", "--shard-size", "8MB", own).code)
	copyModel(t, own, mirror)
	unix.Sync() // or the superblock of a drive that is pulled has more to write
	want := contentsOf(t, own)
	group := throttle(t, 30<<20, a, b)
	t.Log("control group:", group)
	point, log := mountMirrored(t, group, own, "--mirror", mirror)
	copies := func() []expertfs.CopyStats { return report(t, point).Copies }

	compareExperts(t, point, want)
	for _, c := range copies() {
		require.NotZero(t, c.Bytes, c.Dir)
		require.Zero(t, c.Errors, c.LastError)
		require.True(t, c.Serves)
	}
	for i, d := range []*loopDrive{b, a} {
		i = 1 - i // in copies
		var pulled sync.WaitGroup
		pulled.Go(func() { d.pull(t) })
		compareExperts(t, point, want)
		pulled.Wait()
		compareExperts(t, point, want)
		require.NotZero(t, copies()[i].Errors)
		require.NotZero(t, copies()[i].LeftFiles)
		d.putBack(t)
		before := copies()[i].Bytes
		require.Eventually(t, func() bool {
			compareExperts(t, point, want)
			return copies()[i].LeftFiles == 0 && copies()[i].Bytes > before
		}, patience, poll, "it serves again")
	}
	text, err := os.ReadFile(log)
	require.NoError(t, err)
	require.Contains(t, string(text), "a copy of the checkpoint serves again")

	a.pull(t)
	b.pull(t)
	failed := 0
	for path := range want {
		if strings.Contains(path, "experts/") {
			if _, err := os.ReadFile(filepath.Join(point, path)); err != nil {
				require.ErrorIs(t, err, unix.EIO)
				failed++
			}
		}
	}
	require.NotZero(t, failed)
	a.putBack(t)
	compareExperts(t, point, want)
	require.Zero(t, run(t, "umount", point).code)
}

// TestMirrorOption: a mirror is given by a flag, in -o or in a file of options, tells of
// itself in the figures, and what is no copy is refused.
func TestMirrorOption(t *testing.T) {
	model := synthModel(t, "--layout", "hf", "--shard-size", "1MB")
	mirror := copyModel(t, model, filepath.Join(t.TempDir(), "a mirror"))
	want := contentsOf(t, model)
	config := filepath.Join(t.TempDir(), "options")
	require.NoError(t, os.WriteFile(config, []byte("mirror = "+mirror+"\n"), 0o600))
	for _, flags := range [][]string{{"--mirror", mirror}, {"-o", "mirror=" + mirror}, {"--config", config}} {
		point, _ := mountMirrored(t, "", model, flags...)
		compareExperts(t, point, want)
		stats := report(t, point).Copies
		require.Len(t, stats, 2)
		require.Equal(t, []string{model, mirror}, []string{stats[0].Dir, stats[1].Dir})
		require.NotZero(t, stats[0].Bytes)
		require.NotZero(t, stats[1].Bytes)
		text, err := os.ReadFile(filepath.Join(point, ".expertfs/stats"))
		require.NoError(t, err)
		require.Contains(t, string(text), "# copy "+mirror+": ")
		require.Contains(t, string(text), "\nexpertfs_copy_serves{copy=\""+mirror+"\"} 1\n")
		require.Zero(t, run(t, "umount", point).code)
	}

	point := newPoint(t)
	r := run(t, "mount", "--mirror", mirror, "embed:tiny", point)
	require.NotZero(t, r.code)
	require.Contains(t, r.errors, "a mirror is a second copy of a checkpoint on a drive")
	shards, err := filepath.Glob(filepath.Join(mirror, "*.safetensors"))
	require.NoError(t, err)
	require.NoError(t, os.Truncate(shards[0], 5000))
	r = run(t, "mount", "--mirror", mirror, model, point)
	require.Equal(t, exitBadCheckpoint, r.code)
	require.Contains(t, r.errors, shards[0]+": has 5000 bytes")
}

func TestCheckComparesMirrors(t *testing.T) {
	model := synthModel(t, "--layout", "hf", "--shard-size", "1MB")
	mirror := copyModel(t, model, filepath.Join(t.TempDir(), "mirror"))
	shards, err := filepath.Glob(filepath.Join(mirror, "*.safetensors"))
	require.NoError(t, err)
	require.Greater(t, len(shards), 2)
	require.NoError(t, os.Remove(shards[1]))

	out, err := runCommand(newCheckCommand(), "--mirror", mirror, model)
	require.NoError(t, err)
	require.Contains(t, out, fmt.Sprintf("%d of %d files; not %s\n", len(shards)-1, len(shards), filepath.Base(shards[1])))

	f, err := os.OpenFile(shards[0], os.O_RDWR, 0)
	require.NoError(t, err)
	b := make([]byte, 1)
	const at = 150_001 // between the pages of the sample
	_, err = f.ReadAt(b, at)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte{b[0] + 1}, at)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	out, err = runCommand(newCheckCommand(), "--json", "--mirror", mirror, model)
	require.ErrorContains(t, err, fmt.Sprintf("%s: differs from the checkpoint's own at byte %d", shards[0], at))
	require.ErrorContains(t, err, `(in tensor "`)
	require.Equal(t, exitBadCheckpoint, exitCode(err))
	var got checkReport
	require.NoError(t, json.Unmarshal([]byte(out), &got))
	require.False(t, got.OK)
	require.Len(t, got.Problems, 1)
	require.Equal(t, []checkedMirror{{Dir: mirror, Files: len(shards) - 1, Missing: []string{filepath.Base(shards[1])}}}, got.Mirrors)
}
