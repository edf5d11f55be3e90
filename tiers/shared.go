package tiers

import (
	"context"

	"expertfs"
)

// Shared returns the reader of all who cannot be told apart.
func (c *Cache) Shared() *Reader { return c.shared }

// Open is that of the shared reader.
func (c *Cache) Open(ctx context.Context, k expertfs.Key) (*Handle, error) {
	return c.shared.Open(ctx, k)
}

// Touch is that of the shared reader.
func (c *Cache) Touch(keys ...expertfs.Key) { c.shared.Touch(keys...) }

// Step is that of the shared reader.
func (c *Cache) Step(layer int, keys []expertfs.Key) { c.shared.Step(layer, keys) }

// Prefetch is that of the shared reader.
func (c *Cache) Prefetch(keys ...expertfs.Key) { c.shared.Prefetch(keys...) }
