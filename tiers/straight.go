package tiers

import (
	"context"
	"errors"
	"fmt"
	"io"

	"expertfs"
	"expertfs/checkpoint"
	"expertfs/tiers/nvme"
)

// ReadDense returns a reader of a dense file as it lies on the drive, for those
// who want little of it or all of it once. It costs no RAM, and may be used
// concurrently. Errors of its reads are those of a load, or ErrClosed.
func (c *Cache) ReadDense(d Dense) (io.ReaderAt, error) {
	e, err := c.denseEntry(d)
	if err != nil {
		return nil, err
	}
	return straightReader{c, e, e.view()}, nil
}

// ReadExpert does the same of an expert, for an open that got ErrCrowded.
func (c *Cache) ReadExpert(k expertfs.Key) (io.ReaderAt, error) {
	e := c.table.expert(k)
	if e == nil {
		return nil, fmt.Errorf("%w: %v", ErrRange, k)
	}
	return straightReader{c, e, e.view()}, nil
}

// DenseInRAM tells whether a dense file is in RAM or on its way there.
func (c *Cache) DenseInRAM(d Dense) bool {
	e, err := c.denseEntry(d)
	return err == nil && c.inRAM(e)
}

// ExpertInRAM tells the same of an expert.
func (c *Cache) ExpertInRAM(k expertfs.Key) bool {
	e := c.table.expert(k)
	return e != nil && c.inRAM(e)
}

func (c *Cache) inRAM(e *entry) bool {
	c.guard.Lock()
	defer c.guard.Unlock()
	return e.slot != nil || e.load != nil
}

// straightReader reads a view past the RAM tier.
type straightReader struct {
	c    *Cache
	e    *entry
	view *checkpoint.View
}

// ReadAt implements io.ReaderAt.
func (r straightReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.c.loader.fill.drive.ReadAt(context.Background(), r.view, p, off)
	switch {
	case errors.Is(err, nvme.ErrClosed):
		err = ErrClosed
	case err != nil && err != io.EOF:
		err = r.c.loader.failed(r.e, err)
	}
	return n, err
}
