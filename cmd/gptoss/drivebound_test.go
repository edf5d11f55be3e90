package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"expertfs"
	"expertfs/infer"
	"expertfs/infer/experts"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestBound: ten tokens of which each computes 3 ms and waits 5, on a mount whose
// uses needed 12 experts of 1 MB of the 15 that were read.
func TestBound(t *testing.T) {
	result := func(speed float64, mounted bool) *benchRecord {
		r := benchResult{
			driveSpeed: speed,
			stats: infer.Stats{Tokens: 10, Elapsed: 80 * time.Millisecond, Stats: experts.Stats{
				Waited: 50 * time.Millisecond, Opened: 20, OpenedBytes: 20e6,
			}},
			drive: driveStats{mounted: mounted, uses: expertfs.Uses{Hits: 70, Misses: 8, Joins: 1}, useful: 4, bytesRead: 15e6},
		}
		rec := &benchRecord{ComputeNS: 3e6, WaitNS: 5e6}
		r.setBound(rec)
		return rec
	}
	r := result(600e6, true) // reading takes 2 ms, less than computing
	require.InDelta(t, 1.2e6, r.NeededBytes, 1e-6)
	require.EqualValues(t, 3e6, *r.BoundNS)
	require.InDelta(t, 8.0/3, *r.OverBound, 1e-9)

	r = result(200e6, true) // 6 ms, more
	require.EqualValues(t, 6e6, *r.BoundNS)
	require.InDelta(t, 8.0/6, *r.OverBound, 1e-9)

	r = result(200e6, false) // all that was read
	require.InDelta(t, 1.5e6, r.NeededBytes, 1e-6)
	require.EqualValues(t, 7.5e6, *r.BoundNS)

	r = result(0, true)
	require.Nil(t, r.DriveSpeed)
	require.Nil(t, r.BoundNS)
	require.Nil(t, r.OverBound)
}

func TestBenchWithADriveSpeed(t *testing.T) {
	bench := func(args ...string) (benchRecord, string, error) {
		out, notes, err := runCommand(t, "", append([]string{"bench", "-m", tinyTree(t), "-p", "0", "-n", "3", "-r", "1", "-o", "jsonl"}, args...)...)
		var r benchRecord
		if err == nil {
			require.NoError(t, json.Unmarshal([]byte(out), &r))
		}
		return r, notes, err
	}
	r, _, err := bench("--drive-speed", "2GB/s")
	require.NoError(t, err)
	require.EqualValues(t, 2e9, *r.DriveSpeed)
	require.GreaterOrEqual(t, *r.BoundNS, r.ComputeNS)
	require.InDelta(t, float64(r.ComputeNS+r.WaitNS)/float64(*r.BoundNS), *r.OverBound, 1e-9)

	r, notes, err := bench()
	require.NoError(t, err)
	require.Nil(t, r.DriveSpeed, "a tiny model has no file large enough")
	require.Contains(t, notes, "--drive-speed")

	_, _, err = bench("--drive-speed", "fast")
	require.ErrorContains(t, err, "--drive-speed fast")
}

// TestDriveMeterFindsLinkedFiles: the files of a hub's snapshot are links to others.
func TestDriveMeterFindsLinkedFiles(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "blobs"), 0o755))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "snapshots", "a"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "blobs", "1"), make([]byte, 1000), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "snapshots", "a", "config.json"), []byte("{}"), 0o644))
	require.NoError(t, os.Symlink("../../blobs/1", filepath.Join(dir, "snapshots", "a", "model.safetensors")))
	require.NoError(t, os.Symlink("snapshots/a", filepath.Join(dir, "model")))

	var m driveMeter
	m.find(filepath.Join(dir, "model"), driveStats{})
	require.Empty(t, m.unknown)
	require.Len(t, m.files, 1)
	require.Equal(t, "model.safetensors", filepath.Base(m.files[0].path))
	require.EqualValues(t, 1000, m.files[0].size)
}

// TestDriveMeterFindsMirrors: the speeds of drives add up, and a drive is one however
// many copies are on it.
func TestDriveMeterFindsMirrors(t *testing.T) {
	shm, err := os.MkdirTemp("/dev/shm", "mirror")
	if err != nil {
		t.Skip("no second file system here: ", err)
	}
	defer os.RemoveAll(shm)
	own := t.TempDir()
	var here, there unix.Stat_t
	require.NoError(t, errors.Join(unix.Stat(own, &here), unix.Stat(shm, &there)))
	if here.Dev == there.Dev {
		t.Skip("temporary files are on the same file system as /dev/shm")
	}
	dirs := []string{own, t.TempDir(), shm}
	for _, dir := range dirs {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "model.safetensors"), make([]byte, 1000), 0o644))
	}
	var m driveMeter
	m.find(t.TempDir(), driveStats{mounted: true, checkpoint: own, mirrors: append(dirs[1:], "/nowhere")})
	require.Empty(t, m.unknown)
	require.Equal(t, []largeFile{
		{filepath.Join(own, "model.safetensors"), 1000, here.Dev},
		{filepath.Join(shm, "model.safetensors"), 1000, there.Dev},
	}, m.files)
}

// TestMeanOfTwoSpeeds: what was measured once only is not known.
func TestMeanOfTwoSpeeds(t *testing.T) {
	require.EqualValues(t, 3, mean(2, 4))
	require.Zero(t, mean(2, 0))
	require.Zero(t, mean(0, 2))
}
