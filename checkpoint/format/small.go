package format

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"expertfs/checkpoint/source"
)

// maxSmall is the size in bytes up to which a file counts as a small one. The
// largest in use, tokenizer.json, has 28 million.
const maxSmall = 64 << 20

// Names by which a file beside the weights is taken for a part of the model.
var (
	smallExts  = []string{".json", ".jinja", ".md", ".txt"}
	smallNames = []string{"LICENSE", "NOTICE", "USAGE_POLICY"}
)

// isSmall tells by its name whether a file belongs to the model. Indexes do
// not: they speak of shards, and a tree of experts has none.
func isSmall(name string) bool {
	if strings.HasSuffix(name, ".safetensors.index.json") || strings.HasPrefix(name, ".") {
		return false
	}
	return slices.Contains(smallExts, path.Ext(name)) || slices.Contains(smallNames, name)
}

// OpenSmall opens the small files of a place, sorted by name within each of its
// folders. After an error none is open.
func OpenSmall(p *Place) (small []source.Source, err error) {
	defer func() {
		if err != nil {
			for _, f := range small {
				f.Close()
			}
			small = nil
		}
	}()
	names, err := p.Folder.List()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if isSmall(name) {
			if small, err = addSmall(small, p.Folder, name); err != nil {
				return small, err
			}
		}
	}
	for _, name := range p.BesideFiles {
		if source.Has(p.Folder, name) || !source.Has(p.Beside, name) {
			continue
		}
		if small, err = addSmall(small, p.Beside, name); err != nil {
			return small, err
		}
	}
	return small, nil
}

// addSmall opens one file unless it is a directory or too large.
func addSmall(small []source.Source, f source.Folder, name string) ([]source.Source, error) {
	info, err := f.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return small, fmt.Errorf("%s: a link to nothing: download it again", f.Describe(name))
	} else if err != nil {
		return small, err
	}
	if !info.Regular || info.Size > maxSmall {
		return small, nil
	}
	file, err := f.Open(name)
	if err != nil {
		return small, err
	}
	return append(small, file), nil
}
