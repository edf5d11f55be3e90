// Package checkpointtest lays checkpoints out for tests as a mount shows them, put
// together from views alone.
package checkpointtest

import (
	"io"
	"os"
	"path/filepath"

	"expertfs"
	"expertfs/checkpoint"
	"expertfs/checkpoint/source"
)

// Files returns the content of each file that a mount of the checkpoint shows, by
// its path in the tree.
func Files(ck *checkpoint.Checkpoint) (map[string][]byte, error) {
	names := expertfs.Names{Layers: ck.Config().Layers, Experts: ck.Config().Experts}
	views := map[string]*checkpoint.View{
		expertfs.EmbeddingPath: ck.Embedding(), expertfs.UnembeddingPath: ck.Unembedding(),
	}
	for l := range names.Layers {
		views[names.DensePath(l)] = ck.Dense(l)
		for e := range names.Experts {
			views[names.ExpertPath(expertfs.NewKey(l, e))] = ck.Expert(expertfs.NewKey(l, e))
		}
	}
	files, err := readAll(ck, views)
	if err != nil {
		return nil, err
	}
	for _, f := range ck.Small() {
		if files[f.Name()], err = io.ReadAll(source.Section(f)); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// Rounded returns the content of the files of rounded matrices that a mount of the
// checkpoint has, by their paths.
func Rounded(ck *checkpoint.Checkpoint) (map[string][]byte, error) {
	names := expertfs.Names{Layers: ck.Config().Layers, Experts: ck.Config().Experts}
	views := map[string]*checkpoint.View{expertfs.RoundedUnembeddingPath: ck.UnembeddingRounded()}
	for l := range names.Layers {
		views[names.RoundedPath(l)] = ck.DenseRounded(l)
	}
	return readAll(ck, views)
}

// readAll reads views by the paths of their files.
func readAll(ck *checkpoint.Checkpoint, views map[string]*checkpoint.View) (files map[string][]byte, err error) {
	files = make(map[string][]byte)
	for path, v := range views {
		if files[path], err = ck.ReadAll(v); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// WriteTree writes the files that a mount of the checkpoint named so shows into
// dir, as a copy of that mount would have them.
func WriteTree(dir, name string) error { return write(dir, name, Files) }

// WriteRounded writes the files of rounded matrices into dir, as the mount itself
// has them.
func WriteRounded(dir, name string) error { return write(dir, name, Rounded) }

func write(dir, name string, all func(*checkpoint.Checkpoint) (map[string][]byte, error)) error {
	ck, err := checkpoint.Open(name)
	if err != nil {
		return err
	}
	defer ck.Close()
	files, err := all(ck)
	if err != nil {
		return err
	}
	for path, content := range files {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
