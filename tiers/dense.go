package tiers

import (
	"context"
	"errors"
	"fmt"
	"io"

	"expertfs/checkpoint"
	"expertfs/tiers/nvme"
)

// Dense names a dense file: that of a layer, the Unembedding or the Embedding.
type Dense int

const (
	Unembedding Dense = -1 // with the last norm
	Embedding   Dense = -2
)

// DenseLayer names the tensors of a layer outside its experts.
func DenseLayer(layer int) Dense { return Dense(layer) }

// OpenDense returns the bytes of a dense file, as Open does. They stay in RAM
// from then on.
func (c *Cache) OpenDense(ctx context.Context, d Dense) (*Handle, error) {
	e, err := c.denseEntry(d)
	if err != nil {
		return nil, err
	}
	c.guard.Lock()
	if c.loader.closed {
		c.guard.Unlock()
		return nil, ErrClosed
	}
	var l *load
	slot := e.slot
	if slot != nil {
		c.table.pin(e, 1)
	} else {
		l, _ = c.loader.join(e)
	}
	c.guard.Unlock()
	return c.handle(ctx, nil, e, slot, l)
}

// DenseInRAM tells whether a dense file is in RAM, where it stays, or on its way
// there.
func (c *Cache) DenseInRAM(d Dense) bool {
	e, err := c.denseEntry(d)
	if err != nil {
		return false
	}
	c.guard.Lock()
	defer c.guard.Unlock()
	return e.slot != nil || e.load != nil
}

// ReadDense returns a reader of a dense file as it lies on the drive, for those
// who want little of it or all of it once. It costs no RAM, and may be used
// concurrently. Errors of its reads are those of a load, or ErrClosed.
func (c *Cache) ReadDense(d Dense) (io.ReaderAt, error) {
	e, err := c.denseEntry(d)
	if err != nil {
		return nil, err
	}
	return denseReader{c, e, e.view()}, nil
}

// denseReader reads the view of a dense file.
type denseReader struct {
	c    *Cache
	e    *entry
	view *checkpoint.View
}

// ReadAt implements io.ReaderAt.
func (r denseReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.c.loader.fill.drive.ReadAt(context.Background(), r.view, p, off)
	switch {
	case errors.Is(err, nvme.ErrClosed):
		err = ErrClosed
	case err != nil && err != io.EOF:
		err = r.c.loader.failed(r.e, err)
	}
	return n, err
}

// denseEntry returns the entry of a dense file.
func (c *Cache) denseEntry(d Dense) (*entry, error) {
	layers := len(c.table.experts)
	switch {
	case d == Unembedding:
		return c.table.dense[layers], nil
	case d == Embedding:
		return c.table.dense[layers+1], nil
	case d >= 0 && int(d) < layers:
		return c.table.dense[d], nil
	}
	return nil, fmt.Errorf("%w: layer %d dense", ErrRange, d)
}
