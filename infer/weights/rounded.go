package weights

import (
	"errors"
	"fmt"
	"io/fs"

	"expertfs"
	"expertfs/checkpoint/q8"
	"expertfs/infer/kernel"

	"golang.org/x/sys/unix"
)

// roundedFile is a mapped file whose matrices a mount has rounded to 8 bits, once
// for all of its readers, in the order in which kernels want them.
type roundedFile struct{ *file }

// passes tells whether files of the folder are mapped as they lie in memory. Where a
// mount's server answers reads, a mapping is a second copy, in small pages: weights
// that are rounded here take half the room and are read faster.
func passes(dir string) bool {
	s, err := expertfs.ReadStats(dir)
	return err != nil || s.Mechanism == expertfs.Passthrough
}

// openRounded maps the rounded file of a layer, or of the unembedding for the number
// of layers; nil, without an error, when the folder has none that is of use here. The
// mount's socket hands out the memory itself; where there is none the file is mapped,
// unless that would be a copy.
func (f *Folder) openRounded(layer int) (denseFile, error) {
	path := f.path(expertfs.ControlPath(expertfs.RoundedDir + "/" + f.names.Rounded(layer)))
	var x *file
	open, err := expertfs.OpenRoundedFile(f.dir, f.names, layer)
	switch {
	case err == nil:
		x, err = f.mapFile(f.arena.MapOpen(open, path))
	case !errors.Is(err, expertfs.ErrNoRounded):
		return nil, err
	case !f.passes():
		return nil, nil
	default:
		x, err = f.openFile(path)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR): // no mount
		return nil, nil
	case errors.Is(err, unix.ENOMEM): // the mount has no room for it
		return nil, nil
	case err != nil:
		return nil, err
	case x.header.Metadata[q8.LayoutKey] != q8.Layout: // of another version of expertfs
		return nil, x.close()
	}
	return roundedFile{x}, nil
}

// matrix returns a matrix in place.
func (f roundedFile) matrix(name string, rows, cols int) (Matrix, error) {
	data, _, err := f.tensor(name+q8.DataSuffix, []string{"I8"}, q8.DataShape(rows, cols)...)
	if err != nil {
		return nil, err
	}
	scales, _, err := f.tensor(name+q8.ScalesSuffix, []string{"BF16"}, q8.ScalesShape(rows, cols)...)
	if err != nil {
		return nil, err
	}
	m, err := kernel.MapQ8(rows, cols, data, scales)
	if err != nil {
		return nil, fmt.Errorf("%s: tensor %s: %w", f.Path, name, err)
	}
	return m, nil
}
