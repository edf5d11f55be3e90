package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"expertfs"
)

// driveStats is what a model folder's storage has done so far.
type driveStats struct {
	mounted      bool
	hits, misses int64 // of a mount's cache
	bytesRead    int64 // from the drive: by the mount, or by this process
}

// readDriveStats asks the mount that dir is, or, for a plain folder, the
// kernel's account of this process.
func readDriveStats(dir string) (driveStats, error) {
	var report struct {
		Cache struct {
			Hits      int64 `json:"hits"`
			Misses    int64 `json:"misses"`
			Joins     int64 `json:"joins"`
			BytesRead int64 `json:"bytes_read"`
		} `json:"cache"`
	}
	path := filepath.Join(dir, expertfs.ControlPath(expertfs.StatsJSONFile))
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return processReads()
	}
	if err != nil {
		return driveStats{}, err
	}
	if err := json.Unmarshal(text, &report); err != nil {
		return driveStats{}, fmt.Errorf("%s: %w", path, err)
	}
	c := report.Cache
	return driveStats{mounted: true, hits: c.Hits, misses: c.Misses + c.Joins, bytesRead: c.BytesRead}, nil
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
	return driveStats{s.mounted, s.hits - o.hits, s.misses - o.misses, s.bytesRead - o.bytesRead}
}

// hitRate is the share of uses that found their expert in RAM; ok is false for
// a plain folder, whose page cache nobody counts.
func (s driveStats) hitRate() (rate float64, ok bool) {
	if n := s.hits + s.misses; s.mounted && n > 0 {
		return float64(s.hits) / float64(n), true
	}
	return 0, false
}
