package infer

import (
	"errors"
	"sync"

	"expertfs/infer/mapped"
	"expertfs/infer/weights"

	"golang.org/x/sync/errgroup"
)

// denseWeights are all weights that are no expert's. The blocks of the model use
// them; they are freed together.
type denseWeights struct {
	embedding *weights.Embedding
	layers    []*weights.Layer
	head      *weights.Head
}

// loadDense loads several layers at a time, so that the drive works while
// weights are rounded. The head, much the largest, has the drive to itself. What
// has been loaded is to be freed also after an error.
func loadDense(folder *weights.Folder, p weights.Precision) (*denseWeights, error) {
	d := &denseWeights{layers: make([]*weights.Layer, folder.Config().Layers)}
	var err error
	if d.embedding, err = folder.Embedding(); err != nil {
		return d, err
	}
	if err := mapped.Guard(func() (err error) {
		d.head, err = folder.Head(p)
		return err
	}); err != nil {
		return d, err
	}
	var g errgroup.Group
	g.SetLimit(3)
	for n := range d.layers {
		g.Go(func() error {
			return mapped.Guard(func() (err error) {
				d.layers[n], err = folder.Layer(n, p)
				return err
			})
		})
	}
	return d, g.Wait()
}

// watchLoad has tell hear how much is loaded.
func watchLoad(folder *weights.Folder, tell func(loaded, total int64)) error {
	total, err := folder.DenseSize()
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var loaded int64
	folder.OnLoad(func(bytes int64) {
		mu.Lock()
		defer mu.Unlock()
		loaded += bytes
		tell(loaded, total)
	})
	return nil
}

func (d *denseWeights) free() error {
	if d == nil {
		return nil
	}
	var all []error
	if d.embedding != nil {
		all = append(all, d.embedding.Close())
	}
	for _, l := range d.layers {
		if l != nil {
			all = append(all, l.Close())
		}
	}
	if d.head != nil {
		all = append(all, d.head.Close())
	}
	return errors.Join(all...)
}
