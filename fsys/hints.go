package fsys

import (
	"expertfs"
	"expertfs/tiers"
)

// writeHints carries out the hints of the reader who opened the file, after all of
// them have been read.
func (f *FS) writeHints(r *tiers.Reader, data []byte) error {
	hints, err := f.tree.ParseHints(string(data))
	if err != nil {
		return err
	}
	for _, h := range hints {
		switch h.Verb {
		case expertfs.Touch:
			r.Touch(h.Keys...)
		case expertfs.Prefetch:
			r.Prefetch(h.Keys...)
		case expertfs.Step:
			r.Step(int(h.Keys[0].Layer), h.Keys)
		}
	}
	return nil
}
