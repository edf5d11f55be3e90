package fsys

import (
	"encoding/json"
	"errors"
	"strings"

	"expertfs"
)

// Remote is the place on a network that a checkpoint is in. Its methods may be
// called concurrently.
type Remote interface {
	Stats() expertfs.SourceStats
	// Warm begins to fetch what paths of the tree name into the cache on the drive,
	// as expertfs.Warming describes them, in place of what it is fetching.
	Warm(paths []string) error
	StopWarm()
	Warming() expertfs.Warming
}

// sourceStats are the figures of the place, nil where there is none.
func (f *FS) sourceStats() *expertfs.SourceStats {
	if f.options.Remote == nil {
		return nil
	}
	s := f.options.Remote.Stats()
	return &s
}

func (f *FS) readWarm() ([]byte, error) {
	w := expertfs.Warming{State: expertfs.WarmIdle}
	if f.options.Remote != nil {
		w = f.options.Remote.Warming()
	}
	text, err := json.Marshal(w)
	return append(text, '\n'), err
}

func (f *FS) writeWarm(data []byte) error {
	paths := strings.Fields(string(data))
	switch {
	case f.options.Remote == nil:
		return errors.New("the checkpoint is on this machine: there is nothing to fetch")
	case len(paths) == 0:
		return errors.New("want paths of the tree, \".\" for all of it, or " + expertfs.WarmStop)
	case len(paths) == 1 && paths[0] == expertfs.WarmStop:
		f.options.Remote.StopWarm()
		return nil
	}
	return f.options.Remote.Warm(paths)
}
