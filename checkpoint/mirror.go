package checkpoint

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"expertfs/checkpoint/format"
	"expertfs/checkpoint/source"
	"expertfs/checkpoint/source/mirror"
)

// canMirror tells why a checkpoint can have no mirrors, before anything is asked of a
// network.
func canMirror(where string, o Options) error {
	if len(o.Mirrors) > 0 && !onDrive(where) {
		return fmt.Errorf("%s: a mirror is a second copy of a checkpoint on a drive; of a place on a network the cache folder is that, and a model inside the program needs none", source.Printable(where))
	}
	return nil
}

// mirrored puts the copies that o names behind the places of a checkpoint.
func mirrored(places []*format.Place, where string, o Options) ([]*format.Place, error) {
	if len(o.Mirrors) == 0 {
		return places, nil
	}
	names := []string{source.Printable(where)}
	var candidates [][]*format.Place // of each mirror
	for _, m := range o.Mirrors {
		c, err := mirrorPlaces(m)
		if err != nil {
			return nil, fmt.Errorf("mirror: %w", err)
		}
		candidates = append(candidates, c)
		names = append(names, source.Printable(m))
	}
	all := make([]*format.Place, len(places))
	for i, p := range places {
		folders, beside := []source.Folder{p.Folder}, []source.Folder{p.Beside}
		for j, c := range candidates {
			other := likest(p, c)
			if p.File != "" && other.File != "" && other.File != p.File {
				return nil, fmt.Errorf("mirror %s: is called otherwise than %s: a copy of a file has its name", names[1+j], p.Folder.Describe(p.File))
			}
			folders, beside = append(folders, other.Folder), append(beside, other.Beside)
		}
		set := mirror.New(o.Log, names...)
		with := *p
		with.Folder = set.Folder(folders...)
		if p.Beside != nil {
			with.Beside = set.Folder(beside...)
		}
		all[i] = &with
	}
	return all, nil
}

// onDrive tells whether a name of a checkpoint is a path, or leads to one.
func onDrive(where string) bool {
	name, _, _ := strings.Cut(where, ":")
	if _, known := schemes[name]; !known || name == "ollama" {
		return true
	}
	_, err := os.Lstat(where)
	return err == nil
}

// mirrorPlaces finds where a mirror may have its files: where a checkpoint of that path
// would, and in the folder of Ollama's files.
func mirrorPlaces(where string) ([]*format.Place, error) {
	if OnNetwork(where) {
		return nil, fmt.Errorf("%s: is on a network; give a folder on a drive", source.Printable(where))
	}
	places, err := resolvePath(where)
	if err != nil {
		return nil, err
	}
	blobs := filepath.Join(where, "blobs")
	if info, err := os.Stat(blobs); err == nil && info.IsDir() {
		places = append(places, &format.Place{Folder: source.Dir(blobs)})
	}
	return places, nil
}

// likest returns the place that has most names of another one in it.
func likest(p *format.Place, places []*format.Place) *format.Place {
	own, _ := p.Folder.List() // what cannot be listed has none, and says so when it is opened
	best, most := places[0], -1
	for _, other := range places {
		names, _ := other.Folder.List()
		common := 0
		for _, name := range names {
			if slices.Contains(own, name) {
				common++
			}
		}
		if common > most {
			best, most = other, common
		}
	}
	return best
}

// Mirrors returns the drives that the checkpoint is read from, its own first; nil where
// that is the only one.
func (c *Checkpoint) Mirrors() *mirror.Set { return c.mirrors }

// verifyMirrors returns what of the mirrors is no copy of the checkpoint.
func (c *Checkpoint) verifyMirrors() error {
	if c.mirrors == nil {
		return nil
	}
	return format.Problems(c.mirrors.Verify(context.Background(), c.Files(), c.Small())).Err()
}
