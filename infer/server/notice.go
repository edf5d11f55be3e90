package server

import (
	"bytes"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// noticer names fields without effect in the log, each once.
type noticer struct {
	mu   sync.Mutex
	seen map[string]bool
}

// mostNoticed bounds the names: clients choose them.
const mostNoticed = 200

// notice logs the members in extra, which stand at a place in a request such as
// "messages[]". Known names are those that are known to have no effect here.
func (s *Server) notice(place string, extra unnoticed) {
	if len(extra) == 0 {
		return
	}
	for _, name := range memberNames(extra) {
		if place != "" {
			name = place + "." + name
		}
		if s.noticed.first(name) {
			s.Log.Info("a field without effect was accepted", "field", strings.ToValidUTF8(shorten(name), ""))
		}
	}
}

// noticeTool says in the log, once for each type, that tools are left out.
func (s *Server) noticeTool(kind string) {
	if kind = strings.ToValidUTF8(shorten(kind), ""); s.noticed.first("tools of type " + kind) {
		s.Log.Info("a tool that is no function was left out", "type", kind)
	}
}

func (n *noticer) first(name string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.seen[name] || len(n.seen) >= mostNoticed {
		return false
	}
	if n.seen == nil {
		n.seen = make(map[string]bool)
	}
	n.seen[name] = true
	return true
}

// memberNames returns the names of a JSON object, the first ones of many.
func memberNames(object jsontext.Value) (names []string) {
	d := jsontext.NewDecoder(bytes.NewReader(object), decoding)
	if _, err := d.ReadToken(); err != nil {
		return nil
	}
	for d.PeekKind() == '"' && len(names) < mostNoticed {
		name, err := d.ReadToken()
		if err != nil {
			return names
		}
		names = append(names, name.String())
		if d.SkipValue() != nil {
			return names
		}
	}
	return names
}
