package diskcache

import (
	"context"
	"io"
	"path"

	"expertfs/checkpoint/source"
)

// handle is an open file, read through the page cache.
type handle struct {
	file   *file
	closed bool
}

func (h *handle) Name() string { return path.Base(h.file.info.Name) }
func (h *handle) Size() int64  { return h.file.info.Size }
func (h *handle) Identity() source.Identity {
	i := h.file.info
	return source.Identity{ModTime: i.ModTime, ETag: i.ETag, SHA256: i.SHA256}
}
func (h *handle) Align() (offset, memory int64) { return 1, 1 }
func (h *handle) Mechanism() string             { return "network, kept on a drive" }
func (h *handle) Check(context.Context) error   { return nil } // each request is for the content listed
func (h *handle) Near(off, n int64) bool        { return h.file.near(extent{off, off + n}) }

func (h *handle) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	return h.read(ctx, p, off, false)
}

func (h *handle) read(ctx context.Context, p []byte, off int64, fill bool) (int, error) {
	return h.file.read(ctx, p, off, fill, func() (int, error) {
		h.file.mu.Lock()
		d, err := h.file.open()
		h.file.mu.Unlock()
		if err != nil {
			return 0, err
		}
		n, err := d.ReadAt(p, off)
		if err == io.EOF {
			err = nil
		}
		return n, err
	})
}

func (h *handle) Close() error {
	h.file.mu.Lock()
	defer h.file.mu.Unlock()
	if !h.closed {
		h.file.opened--
	}
	h.closed = true
	return nil
}
