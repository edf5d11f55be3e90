package metrics

import (
	"time"

	"expertfs"
)

// latency is the one histogram.
const (
	latencyName = prefix + "load_seconds"
	latencyHelp = "Time that loads took, waiting for a slot included."
)

// bucket counts the durations of at most bound seconds.
type bucket struct {
	bound float64
	count int64
}

// buckets returns those of a histogram, cumulative and always all of them but
// the one without a bound, and the count of all.
func buckets(h *expertfs.Histogram) (list []bucket, count int64) {
	last := len(h.Counts) - 1
	for i, n := range h.Counts[:last] {
		count += n
		list = append(list, bucket{(time.Duration(1<<i) * time.Microsecond).Seconds(), count})
	}
	return list, count + h.Counts[last]
}
