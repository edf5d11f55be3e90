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
	files := make(map[string][]byte)
	var err error
	for path, v := range views {
		if files[path], err = ck.ReadAll(v); err != nil {
			return nil, err
		}
	}
	for _, f := range ck.Small() {
		if files[f.Name()], err = io.ReadAll(source.Section(f)); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// WriteTree writes the files that a mount of the checkpoint named so shows into
// dir, as a copy of that mount would have them.
func WriteTree(dir, name string) error {
	ck, err := checkpoint.Open(name)
	if err != nil {
		return err
	}
	defer ck.Close()
	files, err := Files(ck)
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
