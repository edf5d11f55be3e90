package fsys

import (
	"encoding/json"
	"os"
	"time"

	"expertfs"
)

// Stats returns the figures of now.
func (f *FS) Stats() expertfs.Stats {
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
		Cache:   f.cache.Stats(),
		Source:  f.sourceStats(),
		Readers: f.cache.Readers(),
	}
	s.NoSocket = f.noSocket
	s.AutoBudget = f.options.Governor != nil && f.options.Governor.Active()
	if f.handout != nil {
		s.Requests.Descriptors = f.handout.Opens()
	}
	f.addMapped(s.Readers)
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
