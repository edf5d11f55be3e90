package fsys

import (
	"encoding/json"
	"os"
	"time"

	"expertfs"
)

// Stats returns the figures of now.
func (f *FS) Stats() expertfs.Stats {
	s := f.stats(f.cache.Stats())
	f.addMapped(s.Readers)
	return s
}

// StatsAfter is Stats for those who look often: what is mapped it takes from an
// earlier one, since finding that takes more time than all the rest.
func (f *FS) StatsAfter(earlier *expertfs.Stats) expertfs.Stats {
	s := f.stats(f.cache.StatsWith(earlier.Cache.MappedBytes))
	for i, r := range s.Readers {
		for _, before := range earlier.Readers {
			if before.PID == r.PID && before.Stream == r.Stream {
				s.Readers[i].MappedBytes = before.MappedBytes
			}
		}
	}
	return s
}

// stats joins the figures of the cache with those of the tree. What readers have
// mapped is left out.
func (f *FS) stats(cache expertfs.CacheStats) expertfs.Stats {
	s := expertfs.Stats{
		Version:    f.options.Version,
		PID:        os.Getpid(),
		Mountpoint: f.mountpoint,
		Checkpoint: f.options.Source,
		Model:      f.ck.Name(),
		Layout:     f.ck.Format(),
		Layers:     f.tree.Layers,
		Experts:    f.tree.Experts,
		ExpertSize: f.tree.expertSize,
		Mechanism:  f.mechanism,
		Why:        f.why,
		Seconds:    time.Since(f.since).Seconds(),

		LastRefused: f.refused.Load(),
		Requests: expertfs.Requests{
			Opens:       f.counters.opens.Load(),
			Reads:       f.counters.reads.Load(),
			ReadBytes:   f.counters.readBytes.Load(),
			Panics:      f.counters.panics.Load(),
			OpenHandles: f.handles.count(),
		},
		Cache:   cache,
		Source:  f.sourceStats(),
		Readers: f.cache.Readers(),
	}
	if f.options.Records != nil {
		s.Records = f.options.Records()
	}
	if m := f.ck.Mirrors(); m != nil {
		s.Copies = m.Stats()
	}
	s.NoSocket = f.noSocket
	s.Unlogged = f.options.Unlogged
	s.AutoBudget = f.options.Governor != nil && f.options.Governor.Active()
	if f.handout != nil {
		s.Requests.Descriptors = f.handout.Opens()
	}
	s.Requests.Unbacked = f.cache.backings.failures()
	return s
}

func (f *FS) statsJSON() ([]byte, error) {
	text, err := json.MarshalIndent(f.Stats(), "", "  ")
	return append(text, '\n'), err
}

// Live tells where each expert is now, and how it has been used.
func (f *FS) Live() *expertfs.Live { return f.cache.Live() }

func (f *FS) liveText() ([]byte, error) {
	l := f.Live()
	return l.AppendText(make([]byte, 0, 8*len(l.All)))
}

func (f *FS) statsText() ([]byte, error) { return statsText(f.Stats()), nil }
