package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"expertfs/scripts/records/report"
)

const (
	quietShare = 0.10             // of the processors that others may use
	quietWait  = 60 * time.Second // until the machine is quiet
)

// waitForQuiet waits until others use nearly nothing of the processors, and fails
// where they go on, unless a busy machine was asked for.
func (l *lab) waitForQuiet(ctx context.Context) (report.Load, error) {
	load := report.Load{Average: loadAverage()}
	end := time.Now().Add(quietWait)
	for {
		used, err := processorsUsed(ctx, time.Second)
		if err != nil {
			return load, err
		}
		load.Others = used
		if used <= quietShare || l.force {
			return load, nil
		}
		if time.Now().After(end) {
			return load, fmt.Errorf("others use %.0f%% of the processors (load %.1f): wait, or measure with FORCE=1, which the data tell", 100*used, loadAverage())
		}
	}
}

// look notes what others use before a round; the most counts. What the round before
// has left to do, such as freeing memory, gets two seconds to end.
func (s *session) look(ctx context.Context) error {
	least := 1.0
	for range 10 {
		used, err := processorsUsed(ctx, 200*time.Millisecond)
		if err != nil {
			return err
		}
		if least = min(least, used); least <= quietShare {
			break
		}
	}
	s.rec.Load.Others = max(s.rec.Load.Others, least)
	return nil
}

// processorsUsed is the share of all processors' time that is not idle.
func processorsUsed(ctx context.Context, d time.Duration) (float64, error) {
	busy, all, err := processorTimes()
	if err != nil {
		return 0, err
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	busy2, all2, err := processorTimes()
	return (busy2 - busy) / max(all2-all, 1), err
}

// processorTimes reads the sums of /proc/stat in ticks; waiting for a drive is idle.
func processorTimes() (busy, all float64, err error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0, err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	for i, field := range strings.Fields(first)[1:] {
		ticks, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("/proc/stat: %w", err)
		}
		if i >= 8 { // guests, which the first fields contain
			break
		}
		all += ticks
		if i != 3 && i != 4 {
			busy += ticks
		}
	}
	return busy, all, nil
}

func loadAverage() float64 {
	text, _ := os.ReadFile("/proc/loadavg")
	average, _, _ := strings.Cut(string(text), " ")
	x, _ := strconv.ParseFloat(average, 64)
	return x
}
