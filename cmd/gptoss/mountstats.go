package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"expertfs"
)

// driveStats is what a model folder's storage has done so far.
type driveStats struct {
	mounted   bool
	uses      expertfs.Uses // of a mount's cache
	bytesRead int64         // from the drive: by the mount, or by this process

	// Of a mount: how it answers reads of files, why not better, and why it has
	// no socket.
	mechanism     expertfs.Mechanism
	why, noSocket string
}

// readDriveStats asks the mount that dir is, or, for a plain folder, the
// kernel's account of this process.
func readDriveStats(dir string) (driveStats, error) {
	s, err := expertfs.ReadStats(dir)
	if errors.Is(err, expertfs.ErrNotMounted) {
		return processReads()
	}
	if err != nil {
		return driveStats{}, err
	}
	return driveStats{
		mounted: true, uses: s.Cache.Uses, bytesRead: s.Cache.BytesRead,
		mechanism: s.Mechanism, why: s.Why, noSocket: s.NoSocket,
	}, nil
}

// processReads counts what page faults and reads of this process took from the
// drive. Kernels may lack the account; then nothing is counted.
func processReads() (driveStats, error) {
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return driveStats{}, nil
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "read_bytes:"); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			return driveStats{bytesRead: n}, err
		}
	}
	return driveStats{}, nil
}

// sub returns what was done since o.
func (s driveStats) sub(o driveStats) driveStats {
	s.uses, s.bytesRead = s.uses.Sub(o.uses), s.bytesRead-o.bytesRead
	return s
}

// slowWay tells why experts that were opened as files took long to read, "" where
// they did not.
func (s driveStats) slowWay() string {
	if !s.mounted || s.mechanism == expertfs.Passthrough {
		return ""
	}
	reason := "its socket cannot be reached from here"
	if s.noSocket != "" {
		reason = "it has no socket for descriptors: " + s.noSocket
	}
	return fmt.Sprintf("the mount copies experts, which is several times slower with little RAM: %s; and no passthrough: %s", reason, s.why)
}

// hitRate is the share of uses that found their expert in RAM; ok is false for
// a plain folder, whose page cache nobody counts.
func (s driveStats) hitRate() (rate float64, ok bool) {
	return s.uses.HitRate(), s.mounted && s.uses.Total() > 0
}
