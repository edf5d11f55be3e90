package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"expertfs"
	"expertfs/cmd/internal/limits"
)

// driveMeter tells how fast the drive is that a model is read from: as the user says,
// or by a moment's reading past the page cache.
type driveMeter struct {
	given float64 // bytes a second, 0 to measure

	path    string // the file to read, the largest
	size    int64
	unknown string // why the speed is not known, "" where it is
}

// driveSpeedAuto is the value of --drive-speed that measures.
const driveSpeedAuto = "auto"

// newDriveMeter reads the value of --drive-speed.
func newDriveMeter(value string) (*driveMeter, error) {
	if value == driveSpeedAuto {
		return &driveMeter{}, nil
	}
	n, err := expertfs.ParseSize(strings.TrimSuffix(value, "/s"))
	if err != nil || n == 0 {
		return nil, usageErrorf("--drive-speed %s: expected %s, or a speed like 2GB/s", value, driveSpeedAuto)
	}
	return &driveMeter{given: float64(n)}, nil
}

// find looks for the largest file of the checkpoint that a mount at dir serves, or of
// the folder that dir is.
func (m *driveMeter) find(dir string, s driveStats) {
	if m.given > 0 {
		return
	}
	root := dir
	if s.mounted {
		root = s.checkpoint
	}
	real, err := filepath.EvalSymlinks(root)
	if err != nil {
		m.unknown = root + " is no file of this machine"
		return
	}
	_ = filepath.WalkDir(real, func(path string, _ fs.DirEntry, _ error) error {
		// What cannot be read is not measured; the files of a hub's snapshot are links.
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Size() > m.size {
			m.path, m.size = path, info.Size()
		}
		return nil
	})
	if m.path == "" {
		m.unknown = root + ": there is no file in it"
	}
}

// measureDriveFor is how long the drive is read before each test, and after it.
const measureDriveFor = 300 * time.Millisecond

// mean is of two speeds, 0 if one is not known.
func mean(first, second float64) float64 {
	if first <= 0 || second <= 0 {
		return 0
	}
	return (first + second) / 2
}

// speed is in bytes a second, 0 if it is not known.
func (m *driveMeter) speed() float64 {
	if m.given > 0 || m.unknown != "" {
		return m.given
	}
	v, err := limits.Drive(m.path, m.size, measureDriveFor)
	if err != nil {
		m.unknown = err.Error()
		return 0
	}
	return v
}

// note tells why there is no bound, "" if there is.
func (m *driveMeter) note() string {
	if m.unknown == "" {
		return ""
	}
	return fmt.Sprintf("the speed of the drive is not known, so no bound is: %s; --drive-speed gives it", m.unknown)
}

// needed is the part of the bytes read that uses needed: of those that found their
// expert absent, or read ahead. The rest was read ahead in vain. An expert has so
// many bytes. What a plain folder needed nobody counts: it is all that was read.
func (s driveStats) needed(expert float64) float64 {
	if !s.mounted {
		return float64(s.bytesRead)
	}
	return min(float64(s.uses.Misses+s.useful)*expert, float64(s.bytesRead))
}

// bound is the shortest time for what took compute and needed bytes of a drive of a
// speed, if each of them, processors and drive, is always busy: the longer of the two.
func bound(compute time.Duration, needed, speed float64) time.Duration {
	return max(compute, time.Duration(needed/speed*float64(time.Second)))
}
