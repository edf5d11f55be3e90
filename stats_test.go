package expertfs_test

import (
	"encoding/json"
	"testing"
	"time"

	"expertfs"

	"github.com/stretchr/testify/require"
)

func TestHitRate(t *testing.T) {
	require.Zero(t, expertfs.Uses{}.HitRate(), "nothing was used")
	before := expertfs.Uses{Hits: 30, Misses: 8, Joins: 2}
	require.EqualValues(t, 40, before.Total())
	require.Equal(t, 0.8, before.HitRate(), "for a join nothing is read")
	after := expertfs.Uses{Hits: 31, Misses: 10, Joins: 3}
	require.Equal(t, expertfs.Uses{Hits: 1, Misses: 2, Joins: 1}, after.Sub(before))
	require.Equal(t, 0.5, after.Sub(before).HitRate())
}

// TestStatsKeepTheirNames: programs read these.
func TestStatsKeepTheirNames(t *testing.T) {
	var s expertfs.Stats
	text := `{"pid": 7, "mechanism": "direct", "last_refused": {"file": "ram", "reason": "no", "time": "2026-11-29T01:02:03Z"},
		"requests": {"open_handles": 2}, "readers": [{"pid": 9, "stream": 1, "hits": 5, "mapped_bytes": 6}],
		"cache": {"hits": 30, "misses": 8, "joins": 2, "used_bytes": 5, "load_latency": {"counts": [1], "sum_ns": 9},
		"prefetch": {"late": 3}}}`
	require.NoError(t, json.Unmarshal([]byte(text), &s))
	require.Equal(t, 7, s.PID)
	require.Equal(t, expertfs.Direct, s.Mechanism)
	require.Equal(t, expertfs.RAMFile, s.LastRefused.File)
	require.Equal(t, 2, s.Requests.OpenHandles)
	require.Equal(t, expertfs.Uses{Hits: 30, Misses: 8, Joins: 2}, s.Cache.Uses)
	require.EqualValues(t, 5, s.Cache.Used)
	require.EqualValues(t, 1, s.Cache.Latency.Counts[0])
	require.EqualValues(t, 3, s.Cache.Prefetch.Late)
	require.EqualValues(t, 5, s.Readers[0].Hits)
	require.EqualValues(t, 6, s.Readers[0].MappedBytes)
	again, err := json.Marshal(s)
	require.NoError(t, err)
	var back expertfs.Stats
	require.NoError(t, json.Unmarshal(again, &back))
	require.Equal(t, s, back)
}

func TestHistogram(t *testing.T) {
	var h expertfs.Histogram
	for _, d := range []time.Duration{-1, 999, time.Microsecond, 3 * time.Microsecond, time.Hour} {
		h.Add(d)
	}
	require.EqualValues(t, 2, h.Counts[0])
	require.EqualValues(t, 1, h.Counts[1])
	require.EqualValues(t, 1, h.Counts[2])
	require.EqualValues(t, 1, h.Counts[25], "the last counts all above")
}
