package fsys

import (
	"encoding/json"
	"os"
	"time"

	"expertfs/tiers"
)

// Report is the content of .expertfs/stats.json: figures since the mount.
type Report struct {
	Version    string `json:"version"`
	PID        int    `json:"pid"` // of the server
	Mountpoint string `json:"mountpoint"`
	Checkpoint string `json:"checkpoint"` // Options.Source
	Model      string `json:"model"`
	Layout     string `json:"layout"` // of the checkpoint
	Layers     int    `json:"layers"`
	Experts    int    `json:"experts"`     // of each layer
	ExpertSize int64  `json:"expert_size"` // length of an expert file

	Mechanism Mechanism `json:"mechanism"`
	Why       string    `json:"why"` // not a better mechanism; "" for the best
	Seconds   float64   `json:"seconds"`

	LastRefused *Refusal `json:"last_refused,omitempty"` // write to a control file

	Requests Requests    `json:"requests"`
	Cache    tiers.Stats `json:"cache"`
}

// Requests count what the kernel has asked of the server about data files. Reads
// that passthrough serves are not among them.
type Requests struct {
	Opens       int64 `json:"opens"`
	Reads       int64 `json:"reads"`
	ReadBytes   int64 `json:"read_bytes"`
	Panics      int64 `json:"panics"`
	OpenHandles int   `json:"open_handles"` // files and directories, control files included
	Unbacked    int64 `json:"unbacked"`     // slots that passthrough was refused for
}

// Report returns the figures of now.
func (f *FS) Report() Report {
	r := Report{
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
		Requests: Requests{
			Opens:       f.counters.opens.Load(),
			Reads:       f.counters.reads.Load(),
			ReadBytes:   f.counters.readBytes.Load(),
			Panics:      f.counters.panics.Load(),
			OpenHandles: f.handles.count(),
		},
		Cache: f.cache.Stats(),
	}
	if f.options.Backings != nil {
		r.Requests.Unbacked = f.options.Backings.failures()
	}
	return r
}

func (f *FS) statsJSON() ([]byte, error) {
	text, err := json.MarshalIndent(f.Report(), "", "  ")
	return append(text, '\n'), err
}

func (f *FS) statsText() ([]byte, error) { return f.Report().Text(), nil }
