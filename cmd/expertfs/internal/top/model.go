package top

import (
	"context"
	"slices"
	"time"

	"expertfs"
	"expertfs/cmd/expertfs/internal/watch"
	"expertfs/policy"

	tea "charm.land/bubbletea/v2"
)

// How often experts are looked at, and figures are read.
const (
	lookEvery  = 150 * time.Millisecond
	statsEvery = time.Second
)

// flashes is for how many looks a use is shown.
const flashes = 3

// model is what the screen is made of.
type model struct {
	source watch.Source
	locked error // why nothing can be changed; nil if it can

	width, height int
	dark          bool // the terminal's background is

	stats, before *expertfs.Stats // the last figures, and those before them
	live          *expertfs.Live
	lit           []int // of each expert, for how many looks more its use is shown
	lately        []int // of each expert, uses at the last looks, fading
	failure       error // of the last look
	answered      time.Time

	ask    *ask // what is being written; nil for nothing
	word   string
	list   bool // the experts used most in place of all
	order  int  // of orders
	scroll int  // lines of the map or the list that are above the screen
	bottom bool // keys are explained
}

// orders are what readers and experts are sorted by.
var orders = []string{"now", "uses", "heat"}

// Messages of reads that have ended.
type (
	liveMsg struct {
		live *expertfs.Live
		err  error
	}
	statsMsg struct {
		stats *expertfs.Stats
		err   error
	}
	setMsg struct {
		what string
		err  error
	}
	tickMsg struct{} // time has passed
)

// Run shows a mount until a key, or the context, ends it. locked is why it cannot be
// changed, nil if it can.
func Run(ctx context.Context, source watch.Source, locked error) error {
	_, err := tea.NewProgram(newModel(source, locked), tea.WithContext(ctx)).Run()
	return err
}

func newModel(source watch.Source, locked error) *model {
	return &model{source: source, locked: locked, width: 80, height: 24, dark: true, answered: time.Now()}
}

// Init implements tea.Model.
func (m *model) Init() tea.Cmd {
	return tea.Batch(tea.RequestBackgroundColor, m.look, m.count, tick())
}

// look reads where the experts are.
func (m *model) look() tea.Msg {
	live, err := m.source.Live()
	return liveMsg{live, err}
}

// count reads the figures.
func (m *model) count() tea.Msg {
	stats, err := m.source.Stats()
	return statsMsg{stats, err}
}

// after does a read some time from now.
func after(pause time.Duration, read tea.Cmd) tea.Cmd {
	return tea.Tick(pause, func(time.Time) tea.Msg { return read() })
}

// tick has the screen drawn now and then while no read ends.
func tick() tea.Cmd { return tea.Tick(statsEvery, func(time.Time) tea.Msg { return tickMsg{} }) }

// set changes the mount.
func (m *model) set(file, text string) tea.Cmd {
	return func() tea.Msg { return setMsg{file + ": " + text, m.source.Set(file, text)} }
}

// Update implements tea.Model.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
		m.hold()
	case tea.BackgroundColorMsg:
		m.dark = msg.IsDark()
	case liveMsg:
		m.failure, m.answered = msg.err, time.Now()
		pause := lookEvery
		if msg.err != nil {
			m.live, m.before, pause = nil, nil, statsEvery
		} else {
			m.looked(msg.live)
		}
		return m, after(pause, m.look)
	case statsMsg:
		if msg.err == nil {
			if m.before = m.stats; m.before != nil && m.before.PID != msg.stats.PID {
				m.before = nil // it is another mount
			}
			m.stats = msg.stats
		}
		return m, after(statsEvery, m.count)
	case setMsg:
		m.word = msg.what
		if msg.err != nil {
			m.word = msg.err.Error()
		}
		return m, m.count
	case tickMsg:
		return m, tick()
	case tea.PasteMsg:
		if m.ask != nil {
			m.ask.add(msg.Content)
		}
	case tea.KeyPressMsg:
		return m, m.key(msg)
	}
	return m, nil
}

// looked takes a look at the experts.
func (m *model) looked(live *expertfs.Live) {
	if m.live == nil || m.live.Names != live.Names {
		m.lit, m.lately = make([]int, len(live.All)), make([]int, len(live.All))
		m.live = live
		return
	}
	for i, e := range live.All {
		m.lit[i] = max(0, m.lit[i]-1)
		m.lately[i] -= (m.lately[i] + 15) / 16
		if n := e.Uses - m.live.All[i].Uses; n > 0 {
			m.lit[i] = flashes
			m.lately[i] += 16 * int(min(n, 1<<20))
		}
	}
	m.live = live
}

// key does what a key is for.
func (m *model) key(k tea.KeyPressMsg) tea.Cmd {
	name := k.String()
	if m.ask != nil && name != "ctrl+c" {
		return m.asked(name, k.Text)
	}
	m.word = ""
	switch name {
	case "q", "ctrl+c":
		return tea.Quit
	case "esc":
		m.bottom = false
	case "p":
		m.open(expertfs.PolicyFile)
	case "b", "r":
		m.open(expertfs.RAMFile)
	case "s":
		m.order, m.scroll = (m.order+1)%len(orders), 0
	case "tab", "l":
		m.list, m.scroll = !m.list, 0
	case "down", "j":
		m.scroll++
	case "up", "k":
		m.scroll--
	case "pgdown", "space":
		m.scroll += max(1, m.room()-1)
	case "pgup":
		m.scroll -= max(1, m.room()-1)
	case "home":
		m.scroll = 0
	case "end":
		m.scroll = m.rows()
	case "?", "h":
		m.bottom = !m.bottom
	}
	m.hold()
	return nil
}

// hold keeps what is scrolled to on the screen.
func (m *model) hold() { m.scroll = max(0, min(m.scroll, m.rows()-m.room())) }

// open begins to ask for a policy or a budget.
func (m *model) open(file string) {
	switch {
	case m.stats == nil:
	case m.locked != nil:
		m.word = m.locked.Error()
	case file == expertfs.PolicyFile:
		m.ask = &ask{file: file, choices: policy.Names()}
		m.ask.begin(m.stats.Cache.Policy)
	default:
		m.ask = &ask{file: file}
		m.ask.begin(expertfs.FormatSize(m.stats.Cache.Budget))
	}
}

// asked takes a key while something is asked for.
func (m *model) asked(name, text string) tea.Cmd {
	switch name {
	case "esc":
		m.ask = nil
	case "enter":
		file, text := m.ask.file, string(m.ask.text)
		m.ask = nil
		if text != "" {
			return m.set(file, text)
		}
	default:
		m.ask.key(name, text)
	}
	return nil
}

// readers lists the readers in the order that is chosen, with the tokens that each
// has begun a second.
func (m *model) readers() (list []expertfs.ReaderStats, tokens map[int]float64) {
	list = slices.Clone(m.stats.Readers)
	tokens = map[int]float64{}
	if m.before != nil {
		for i, n := range watch.TokensBetween(m.before, m.stats) {
			tokens[list[i].Stream] = n
		}
	}
	slices.SortStableFunc(list, func(a, b expertfs.ReaderStats) int {
		switch {
		case orders[m.order] == "now" && tokens[a.Stream] != tokens[b.Stream]:
			return int(tokens[b.Stream]*1000) - int(tokens[a.Stream]*1000)
		case a.Total() != b.Total():
			return int(min(max(b.Total()-a.Total(), -1), 1))
		}
		return a.PID - b.PID
	})
	return list, tokens
}
