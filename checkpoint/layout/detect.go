package layout

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"expertfs/checkpoint/format"
	"expertfs/checkpoint/safetensors"
	"expertfs/checkpoint/source"
)

// folder is a folder with what this package asks of one.
type folder struct{ source.Folder }

// weights returns the names of the safetensors files, sorted. Hidden files are
// none: some systems and archives leave such companions of real ones.
func (f folder) weights() []string {
	names, _ := f.List() // a folder that cannot be listed has none
	return slices.DeleteFunc(names, func(name string) bool {
		return strings.HasPrefix(name, ".") || path.Ext(name) != weightsExt
	})
}

// readFile reads a file of at most limit bytes.
func (f folder) readFile(name string, limit int64) ([]byte, error) {
	file, err := f.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: missing: download it again", f.Describe(name))
	} else if err != nil {
		return nil, err
	}
	defer file.Close()
	if file.Size() > limit {
		return nil, fmt.Errorf("%s: larger than %d bytes, damaged or not what its name says", f.Describe(name), limit)
	}
	text := make([]byte, file.Size())
	if n, err := source.Reader(file).ReadAt(text, 0); n < len(text) {
		return nil, fmt.Errorf("%s: %w", f.Describe(name), noEOF(err))
	}
	return text, nil
}

func noEOF(err error) error {
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Detect tells what of this layout a folder has; an index is a trace.
func (l *Layout) Detect(p *format.Place) format.Found {
	f := folder{p.Folder}
	names := f.weights()
	switch {
	case p.File != "" || len(names) == 0 && !source.Has(f, IndexName) || f.layout(names) != l:
		return format.Nothing
	case len(names) == 0:
		return format.Traces
	}
	return format.Weights
}

// layout tells the layout of the folder's weights: by their names in the index,
// or in the first header that has one in it. Weights that nobody knows belong to
// the last of the layouts, whose Open says what is wrong with them.
func (f folder) layout(files []string) *Layout {
	if idx, err := readIndex(f); err == nil && idx != nil {
		if l := identify(maps.Keys(idx.WeightMap)); l != nil {
			return l
		}
	}
	for _, name := range files {
		file, err := f.Open(name)
		if err != nil {
			continue
		}
		header, err := safetensors.ReadHeader(source.Reader(file), file.Size())
		file.Close()
		if err != nil {
			continue
		}
		if l := identify(tensorNames(header)); l != nil {
			return l
		}
	}
	return layouts[len(layouts)-1]
}
