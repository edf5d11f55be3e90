package server

import (
	"sync"

	"github.com/go-json-experiment/json"
)

// recentItems are the items of the last responses. Some clients, the AI SDK
// among them, take it for granted that a server stores items, and refer to those
// of a tool loop by their ids. Within such a loop that holds here; nothing is
// kept for longer, and responses themselves are not kept.
type recentItems struct {
	mu    sync.Mutex
	items map[string]string // JSON by id
	order []string          // of the ids, the oldest first
	bytes int
}

// Bounds of what is kept.
const (
	mostRecentItems = 4096
	mostRecentBytes = 16 << 20
)

func (r *recentItems) keep(items []*outputItem) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.items == nil {
		r.items = make(map[string]string)
	}
	for _, it := range items {
		text := string(mustJSON(it))
		r.items[it.ID] = text
		r.order = append(r.order, it.ID)
		r.bytes += len(text)
	}
	for len(r.order) > mostRecentItems || r.bytes > mostRecentBytes {
		r.bytes -= len(r.items[r.order[0]])
		delete(r.items, r.order[0])
		r.order = r.order[1:]
	}
}

// get returns an item as a client would send it, and how many bytes that are.
func (r *recentItems) get(id string) (it inputItem, bytes int, ok bool) {
	r.mu.Lock()
	text, ok := r.items[id]
	r.mu.Unlock()
	return it, len(text), ok && json.Unmarshal([]byte(text), &it, decoding) == nil
}
