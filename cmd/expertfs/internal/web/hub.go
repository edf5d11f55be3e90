package web

import (
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"time"

	"expertfs"
	"expertfs/cmd/expertfs/internal/watch"
)

// How often experts are looked at, so that a use is on the page well within 200
// ms; and how often figures are read, for which the mount asks the kernel about
// each expert in RAM.
const (
	lookEvery  = 100 * time.Millisecond
	statsEvery = time.Second
	heatEvery  = 5 * time.Second // that of experts that are not used changes slowly
)

// mostPages bounds the pages that watch at once.
const mostPages = 32

// errFull says that more pages watch than there may be.
var errFull = errors.New("too many pages watch this mount; close some")

// hub looks at the mount while pages are open, once for all of them, and tells each
// what has changed. Without a page it does nothing.
type hub struct {
	source watch.Source
	first  func(*state) []byte // what a page gets when it opens

	mu      sync.Mutex // guards what follows
	pages   map[*page]bool
	looking bool // look runs
	ended   bool

	stop chan struct{} // closed by close
	done sync.WaitGroup
}

func newHub(source watch.Source, first func(*state) []byte) *hub {
	return &hub{source: source, first: first, pages: map[*page]bool{}, stop: make(chan struct{})}
}

// page is one that is open.
type page struct {
	events chan []byte // closed when the page is too slow, or the hub ends
	told   bool        // all until now
}

// state is what was read at one time.
type state struct {
	live    *expertfs.Live
	stats   *expertfs.Stats // as of counted
	counted time.Time
	heat    time.Time // when all heat was told
}

// open adds a page, and begins to look if it is the first.
func (h *hub) open() (*page, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended || len(h.pages) >= mostPages {
		return nil, errFull
	}
	p := &page{events: make(chan []byte, 64)}
	h.pages[p] = true
	if !h.looking {
		h.looking = true
		h.done.Go(h.look)
	}
	return p, nil
}

// shut removes a page.
func (h *hub) shut(p *page) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop(p)
}

// close removes all pages, lets no more in, and returns when nothing is looked at
// any more. It is called once.
func (h *hub) close() {
	h.mu.Lock()
	h.ended = true
	for p := range h.pages {
		h.drop(p)
	}
	h.mu.Unlock()
	close(h.stop)
	h.done.Wait()
}

// drop removes a page. h.mu is held.
func (h *hub) drop(p *page) {
	if h.pages[p] {
		delete(h.pages, p)
		close(p.events)
	}
}

// idle tells whether no page is open, and the look is to end.
func (h *hub) idle() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.looking = len(h.pages) > 0
	return !h.looking
}

// tell sends an event to the pages that have been told all that came before. One
// that does not keep up is dropped: it comes back and is told all anew.
func (h *hub) tell(event []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for p := range h.pages {
		if p.told {
			h.send(p, event)
		}
	}
}

// send sends an event to a page, which is dropped where it has not taken those
// before. h.mu is held.
func (h *hub) send(p *page, event []byte) {
	select {
	case p.events <- event:
	default:
		h.drop(p)
	}
}

// look looks until there is no page any more.
func (h *hub) look() {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	var last *state
	for !h.idle() {
		now, err := h.read(last)
		if err != nil {
			h.gone(err)
			last = nil
			select {
			case <-time.After(statsEvery):
			case <-h.stop:
			}
			continue
		}
		if last != nil {
			h.compare(last, now)
		}
		h.greet(now)
		last = now
		select {
		case <-ticker.C:
		case <-h.stop:
		}
	}
}

// gone tells that the mount cannot be read. When it can again, all is told anew.
func (h *hub) gone(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for p := range h.pages {
		h.send(p, message("gone", failure{err.Error()}))
		p.told = false
	}
}

// compare tells what is different from what was last.
func (h *hub) compare(last, now *state) {
	if now.live.Names != last.live.Names || now.stats.PID != last.stats.PID {
		h.mu.Lock()
		defer h.mu.Unlock()
		for p := range h.pages {
			p.told = false // it is another mount
		}
		return
	}
	if event := changes(last.live, now.live); event != nil {
		h.tell(event)
	}
	if now.stats != last.stats {
		h.tell(message("stats", figures{now.stats, watch.Between(last.stats, now.stats), watch.TokensBetween(last.stats, now.stats)}))
	}
	if now.heat != last.heat {
		h.tell(message("heat", heats(now.live)))
	}
}

// greet tells all to the pages that are new.
func (h *hub) greet(now *state) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var event []byte
	for p := range h.pages {
		if p.told {
			continue
		}
		if event == nil {
			event = h.first(now)
		}
		p.told = true
		h.send(p, event)
	}
}

// read reads where the experts are, and when it is time for them the figures.
func (h *hub) read(last *state) (*state, error) {
	live, err := h.source.Live()
	if err != nil {
		return nil, err
	}
	now := &state{live: live}
	if last != nil && time.Since(last.counted) < statsEvery {
		now.stats, now.counted, now.heat = last.stats, last.counted, last.heat
		return now, nil
	}
	s, err := h.source.Stats()
	if err != nil {
		return nil, err
	}
	now.stats, now.counted, now.heat = shown(s), time.Now(), time.Now()
	if last != nil && time.Since(last.heat) < heatEvery {
		now.heat = last.heat
	}
	return now, nil
}

// figures are the event that comes once a second.
type figures struct {
	Stats  *expertfs.Stats `json:"stats"`
	Rates  watch.Rates     `json:"rates"`  // since the last ones
	Tokens []float64       `json:"tokens"` // of each reader, a second
}

// message is one event of a stream, as the specification of server-sent events has
// it.
func message(kind string, v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		text = []byte("null") // figures of ours can all be written
	}
	return frame(kind, text)
}

func frame(kind string, text []byte) []byte {
	b := make([]byte, 0, len(kind)+len(text)+16)
	b = append(append(append(b, "event: "...), kind...), "\ndata: "...)
	return append(append(b, text...), "\n\n"...)
}

// changes tells what is different: for each such expert its place in the list, where
// it is, its uses and its heat. It is nil where nothing is. Heat alone is no
// difference: that of a whole layer changes with every step.
func changes(a, b *expertfs.Live) []byte {
	if len(a.All) != len(b.All) {
		return nil
	}
	var list []byte
	for i, e := range b.All {
		if o := a.All[i]; o.Place == e.Place && o.Uses == e.Uses {
			continue
		}
		for _, n := range []int64{int64(i), int64(e.Place), e.Uses, int64(e.Heat)} {
			list = strconv.AppendInt(append(list, ','), n, 10)
		}
	}
	if list == nil {
		return nil
	}
	list[0] = '['
	return frame("experts", append(list, ']'))
}

// heats is the heat of all.
func heats(l *expertfs.Live) []int {
	list := make([]int, len(l.All))
	for i, e := range l.All {
		list[i] = e.Heat
	}
	return list
}
