package policy

import "expertfs"

// ghosts remembers keys that left RAM, up to a sum of bytes; the oldest are
// forgotten first. The zero value remembers nothing until it is resized.
type ghosts struct {
	order list[ghost] // front: oldest
	nodes map[expertfs.Key]*node[ghost]
	bytes int64
	limit int64
}

type ghost struct {
	key   expertfs.Key
	bytes int64
}

// maxGhosts bounds the memory where keys claim to be tiny.
const maxGhosts = expertfs.MaxTotal

func (g *ghosts) add(k expertfs.Key, bytes int64) {
	if g.nodes == nil {
		g.nodes = map[expertfs.Key]*node[ghost]{}
	}
	g.take(k)
	g.nodes[k] = g.order.pushBack(ghost{k, bytes})
	g.bytes += bytes
	g.trim()
}

// take forgets k and tells whether it was remembered.
func (g *ghosts) take(k expertfs.Key) bool {
	n, ok := g.nodes[k]
	if ok {
		g.order.remove(n)
		g.bytes -= n.value.bytes
		delete(g.nodes, k)
	}
	return ok
}

func (g *ghosts) resize(limit int64) {
	g.limit = limit
	g.trim()
}

func (g *ghosts) trim() {
	for g.order.len > 0 && (g.bytes > g.limit || g.order.len > maxGhosts) {
		g.take(g.order.front.value.key)
	}
}
