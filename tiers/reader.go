package tiers

import (
	"expertfs"
	"expertfs/policy"
)

// Reader is a program that reads experts. It has a stream of steps, and so a
// position in the model, of its own. Its methods may be called concurrently.
type Reader struct {
	c      *Cache
	stream *stream
}

// Shared returns the reader of all who cannot be told apart.
func (c *Cache) Shared() *Reader { return c.shared }

// NewReader adds a reader, to be closed when its process has gone. Beyond
// policy.MaxStreams of them the steps of new ones are those of the shared one.
func (c *Cache) NewReader(info ReaderInfo) *Reader {
	c.guard.Lock()
	defer c.guard.Unlock()
	return &Reader{c, c.streams.add(info)}
}

// current is the reader's stream, the shared one once it is closed: whoever has
// inherited its descriptors goes on. The guard is held.
func (r *Reader) current() *stream {
	if r.stream.closed {
		return r.c.shared.stream
	}
	return r.stream
}

// Close ends a reader: its last step is over, and what is being read for it alone
// is given up. Its handles stay good. Close of the shared reader does nothing.
func (r *Reader) Close() {
	c, s := r.c, r.stream
	c.guard.Lock()
	defer c.guard.Unlock()
	if s.closed || r == c.shared {
		return
	}
	if ended, ok := s.steps.Flush(); ok && !c.loader.closed {
		c.learn(s, ended)
	}
	c.prefetch.forget(s)
	if !c.streams.remove(s) {
		return
	}
	if p, ok := c.evictor.policy.(policy.StreamEnder); ok {
		p.EndStream(s.number)
	}
	c.observer.events.add(event{kind: ended, stream: s.number})
}

// Touch says that experts in RAM were used without being opened again, by a
// reader that keeps them open or mapped. Others are ignored.
func (r *Reader) Touch(keys ...expertfs.Key) {
	c := r.c
	c.guard.Lock()
	defer c.guard.Unlock()
	s := r.current()
	for _, k := range keys {
		e := c.table.expert(k)
		if e == nil || e.slot == nil || c.loader.closed {
			continue
		}
		ended, over := s.steps.Access(k)
		if over {
			c.learn(s, ended)
		}
		c.meet(s, e)
		if over {
			c.prefetch.stepped(s, ended.Layer, ended.Used)
		}
	}
}

// Step says which experts the router chose in a layer, before they are opened: those
// that RAM lacks begin to be loaded, see announced.go. Without it, steps are found in
// the order of opens.
func (r *Reader) Step(layer int, keys []expertfs.Key) {
	c := r.c
	c.guard.Lock()
	defer c.guard.Unlock()
	s := r.current()
	if c.loader.closed {
		return
	}
	if ended, ok := s.steps.Announce(layer, keys); ok {
		c.learn(s, ended)
	}
	c.learn(s, policy.Step{Stream: s.number, Layer: layer, Used: keys})
	s.told = s.told[:0]
	c.foresee(s, keys)
	c.prefetch.stepped(s, layer, keys)
}

// Prefetch says that experts will probably be used soon. Prefetches beyond
// Options.PrefetchBytes under way are dropped.
func (r *Reader) Prefetch(keys ...expertfs.Key) {
	c := r.c
	c.guard.Lock()
	defer c.guard.Unlock()
	s := r.current()
	if !c.loader.closed {
		c.prefetch.hint(s, keys)
	}
}

// Share returns the bytes of experts that the reader may keep mapped or open
// between uses. Asking makes it one of those who keep.
func (r *Reader) Share() int64 {
	c := r.c
	c.guard.Lock()
	defer c.guard.Unlock()
	s := r.current()
	s.keeps = true
	return c.share(s)
}

// Served says that a reader whose open got ErrCrowded is served from the drive.
func (r *Reader) Served(k expertfs.Key) {
	r.c.guard.Lock()
	defer r.c.guard.Unlock()
	r.current().again(k)
	r.c.observer.crowded++
}
