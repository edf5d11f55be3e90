package main

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"expertfs"
	"expertfs/cmd/internal/limits"

	"golang.org/x/sys/unix"
)

// driveMeter tells how fast the drives are that a model is read from: as the user says,
// or by a moment's reading past the page cache.
type driveMeter struct {
	given float64 // bytes a second of all drives together, 0 to measure

	files   []largeFile // one of each drive
	unknown string      // why the speed is not known, "" where it is
}

// largeFile is the largest file of a copy of a checkpoint.
type largeFile struct {
	path  string
	size  int64
	drive uint64 // number of the device
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
// the folder that dir is, and for that of each mirror on another drive.
func (m *driveMeter) find(dir string, s driveStats) {
	if m.given > 0 {
		return
	}
	roots := []string{dir}
	if s.mounted {
		roots = append([]string{s.checkpoint}, s.mirrors...)
	}
	for i, root := range roots {
		f, err := largest(root)
		switch {
		case err != nil && i == 0:
			m.unknown = err.Error()
			return
		case err != nil: // a mirror that has gone is not read
		case !slices.ContainsFunc(m.files, func(o largeFile) bool { return o.drive == f.drive }):
			m.files = append(m.files, f)
		}
	}
}

// largest returns the largest file of a folder, or the file that root is.
func largest(root string) (f largeFile, err error) {
	real, err := filepath.EvalSymlinks(root)
	if err != nil {
		return f, fmt.Errorf("%s is no file of this machine", root)
	}
	_ = filepath.WalkDir(real, func(path string, _ fs.DirEntry, _ error) error {
		// What cannot be read is not measured; the files of a hub's snapshot are links.
		var st unix.Stat_t
		if unix.Stat(path, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG && st.Size > f.size {
			f = largeFile{path, st.Size, st.Dev}
		}
		return nil
	})
	if f.path == "" {
		return f, fmt.Errorf("%s: there is no file in it", root)
	}
	return f, nil
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

// speed is that of all drives together in bytes a second, 0 if it is not known. Each
// is measured by itself: they do not share what they have.
func (m *driveMeter) speed() (sum float64) {
	if m.given > 0 || m.unknown != "" {
		return m.given
	}
	for _, f := range m.files {
		v, err := limits.Drive(f.path, f.size, measureDriveFor)
		if err != nil {
			m.unknown = err.Error()
			return 0
		}
		sum += v
	}
	return sum
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
