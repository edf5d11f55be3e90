package weights

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"

	"expertfs"

	"golang.org/x/sync/errgroup"
)

// Identity returns a hash that tells the folder's weights from all others: of the
// config, of the lengths and times of files, and of samples of the dense weights.
// Two models that differ in few experts alone are told apart by time; experts are
// not read. A copy of a folder that does not keep times is another one.
func (f *Folder) Identity() (sum [sha256.Size]byte, err error) {
	dense := []string{expertfs.EmbeddingPath, expertfs.UnembeddingPath}
	for layer := range f.cfg.Layers {
		dense = append(dense, f.names.DensePath(layer))
	}
	sampled, looked := make([][]byte, len(dense)), make([][]byte, f.cfg.Layers)
	var g errgroup.Group
	g.SetLimit(8)
	for i, name := range dense {
		g.Go(func() (err error) {
			sampled[i], err = sample(f.path(name))
			return err
		})
	}
	for layer := range looked {
		g.Go(func() (err error) {
			looked[layer], err = f.look(layer)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return sum, err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%+v\n", *f.cfg)
	for i, name := range dense {
		fmt.Fprintf(h, "%s %x\n", name, sampled[i])
	}
	for _, experts := range looked {
		fmt.Fprintf(h, "%x\n", experts)
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}

// look hashes the lengths and times of a layer's experts.
func (f *Folder) look(layer int) ([]byte, error) {
	h := sha256.New()
	for expert := range f.cfg.Experts {
		name := f.names.ExpertPath(expertfs.NewKey(layer, expert))
		info, err := os.Stat(f.path(name))
		if err != nil {
			return nil, err
		}
		fmt.Fprintln(h, name, info.Size(), info.ModTime().UnixNano())
	}
	return h.Sum(nil), nil
}

// Samples of a file are so many pieces at equal distances, the first and the last
// bytes among them.
const (
	samples     = 8
	sampleBytes = 4096
)

// sample hashes a file's length, time and samples.
func sample(path string) ([]byte, error) {
	s, err := openStream(path)
	if err != nil {
		return nil, err
	}
	defer s.f.Close()
	info, err := s.f.Stat()
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	fmt.Fprintln(h, s.size, info.ModTime().UnixNano())
	piece := make([]byte, min(s.size, sampleBytes))
	for i := range int64(samples) {
		if _, err := s.ReadAt(piece, i*(s.size-int64(len(piece)))/(samples-1)); err != nil && err != io.EOF {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		_, _ = h.Write(piece)
	}
	return h.Sum(nil), nil
}
