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
	names := []string{expertfs.EmbeddingPath, expertfs.UnembeddingPath}
	for layer := range f.cfg.Layers {
		names = append(names, f.names.DensePath(layer))
	}
	found := make([][]byte, len(names))
	var g errgroup.Group
	g.SetLimit(8)
	for i, name := range names {
		g.Go(func() (err error) {
			found[i], err = sample(f.path(name))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return sum, err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%+v\n", *f.cfg)
	for i, name := range names {
		fmt.Fprintf(h, "%s %x\n", name, found[i])
	}
	for layer := range f.cfg.Layers {
		name := f.names.ExpertPath(expertfs.NewKey(layer, 0))
		info, err := os.Stat(f.path(name))
		if err != nil {
			return sum, err
		}
		fmt.Fprintln(h, name, info.Size(), info.ModTime().UnixNano())
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
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
