package watch

import (
	"time"

	"expertfs"
)

// Rates are what happened between two readings of a mount's figures.
type Rates struct {
	Uses    expertfs.Uses `json:"uses"`
	HitRate float64       `json:"hit_rate"` // of those uses; -1 where there were none
	// Waited is the time that opens have waited for each second of time: 0.5 is a
	// reader that stands still for half of it, 2 are two that always do.
	Waited float64 `json:"waited"`
	Read   float64 `json:"read"`   // bytes from the drive each second
	Tokens float64 `json:"tokens"` // of all readers, each second
}

// Between returns the rates from an earlier reading to a later one. Of a reader
// that has come in between all counts, and of a mount made anew nothing does.
func Between(earlier, later *expertfs.Stats) Rates {
	r := Rates{HitRate: -1}
	took := later.Seconds - earlier.Seconds
	if took <= 0 {
		return r
	}
	a, b := &earlier.Cache, &later.Cache
	r.Uses = b.Uses.Sub(a.Uses)
	if r.Uses.Total() > 0 {
		r.HitRate = r.Uses.HitRate()
	}
	r.Waited = (b.OpenWait - a.OpenWait).Seconds() / took
	r.Read = float64(b.BytesRead-a.BytesRead) / took
	for _, n := range TokensBetween(earlier, later) {
		r.Tokens += n
	}
	return r
}

// TokensBetween tells how many tokens each reader of the later reading has begun a
// second, in its order.
func TokensBetween(earlier, later *expertfs.Stats) []float64 {
	took := later.Seconds - earlier.Seconds
	rates := make([]float64, len(later.Readers))
	if took <= 0 {
		return rates
	}
	type reader struct{ pid, stream int }
	before := map[reader]int64{}
	for _, r := range earlier.Readers {
		before[reader{r.PID, r.Stream}] = r.Tokens
	}
	for i, r := range later.Readers {
		rates[i] = float64(max(0, r.Tokens-before[reader{r.PID, r.Stream}])) / took
	}
	return rates
}

// Uptime is how long a mount has served, in whole seconds.
func Uptime(s *expertfs.Stats) time.Duration {
	return time.Duration(s.Seconds) * time.Second
}
