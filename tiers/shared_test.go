package tiers

import (
	"context"

	"expertfs"
)

// Tests that need no readers of their own use the shared one, by these.

func (c *Cache) Open(ctx context.Context, k expertfs.Key) (*Handle, error) {
	return c.shared.Open(ctx, k)
}
func (c *Cache) Touch(keys ...expertfs.Key)          { c.shared.Touch(keys...) }
func (c *Cache) Step(layer int, keys []expertfs.Key) { c.shared.Step(layer, keys) }
func (c *Cache) Prefetch(keys ...expertfs.Key)       { c.shared.Prefetch(keys...) }
