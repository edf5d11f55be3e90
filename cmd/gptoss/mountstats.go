package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"

	"expertfs"
)

// driveStats is what a model folder's storage has done so far.
type driveStats struct {
	mounted   bool
	uses      expertfs.Uses // of a mount's cache
	useful    int64         // of the hits, those that were read ahead
	bytesRead int64         // from the drive: by the mount, or by this process

	// Of a mount: how it answers reads of files, why not better, why it has no
	// socket, and what it was made with.
	mechanism              expertfs.Mechanism
	why, noSocket          string
	checkpoint, mountpoint string
	mirrors                []string // folders of copies that are read beside the checkpoint
	budget                 int64
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
	var mirrors []string
	for i, c := range s.Copies {
		if i > 0 && c.Serves {
			mirrors = append(mirrors, c.Dir)
		}
	}
	return driveStats{
		mounted: true, uses: s.Cache.Uses, useful: s.Cache.Prefetch.Useful, bytesRead: s.Cache.BytesRead,
		mechanism: s.Mechanism, why: s.Why, noSocket: s.NoSocket,
		checkpoint: s.Checkpoint, mountpoint: s.Mountpoint, mirrors: mirrors, budget: s.Cache.Budget,
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
	s.uses, s.useful, s.bytesRead = s.uses.Sub(o.uses), s.useful-o.useful, s.bytesRead-o.bytesRead
	return s
}

// way tells how experts come from the mount, when so many of them were opened as
// files and not by the mount's socket; slow is set where their bytes are copied.
// For a plain folder it is empty.
func (s driveStats) way(files int64) (how string, slow bool) {
	switch {
	case !s.mounted:
		return "", false
	case files == 0 && s.noSocket == "":
		return "experts by the mount's socket, without a copy", false
	case s.mechanism == expertfs.Passthrough:
		return "experts by passthrough, without a copy", false
	}
	reason := "its socket cannot be reached from here"
	if s.noSocket != "" {
		reason = "it has no socket for descriptors: " + s.noSocket
	}
	return fmt.Sprintf("the mount copies experts, which is several times slower with little RAM: %s; and no passthrough: %s; "+
		"for both: sudo expertfs mount -o allow_other --ram %s %s %s (passthrough needs kernel 6.9)",
		reason, s.why, expertfs.FormatSize(s.budget), expertfs.ShellQuote(s.checkpoint), expertfs.ShellQuote(s.mountpoint)), true
}

// logWay logs how experts will come from the mount that dir is.
func logWay(log *slog.Logger, dir string) {
	s, err := readDriveStats(dir)
	if err != nil {
		log.Warn("no figures of the mount", "err", err)
		return
	}
	switch how, slow := s.way(0); {
	case slow:
		log.Warn(how)
	case how != "":
		log.Info(how)
	}
}

// hitRate is the share of uses that found their expert in RAM; ok is false for
// a plain folder, whose page cache nobody counts.
func (s driveStats) hitRate() (rate float64, ok bool) {
	return s.uses.HitRate(), s.mounted && s.uses.Total() > 0
}
