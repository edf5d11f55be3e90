package fsys

import "expertfs"

// writeHints carries out hints, after all of them have been read.
func (f *FS) writeHints(data []byte) error {
	hints, err := f.tree.ParseHints(string(data))
	if err != nil {
		return err
	}
	for _, h := range hints {
		switch h.Verb {
		case expertfs.Touch:
			f.cache.Touch(h.Keys...)
		case expertfs.Prefetch:
			f.cache.Prefetch(h.Keys...)
		case expertfs.Step:
			f.cache.Step(int(h.Keys[0].Layer), h.Keys)
		}
	}
	return nil
}
