package top

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"expertfs"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"
)

// mount is a Source that does as it is told.
type mount struct {
	stats expertfs.Stats
	live  *expertfs.Live
	err   error
	set   string
}

func (m *mount) Stats() (*expertfs.Stats, error) {
	s := m.stats
	s.Readers = slices.Clone(s.Readers)
	return &s, m.err
}

func (m *mount) Live() (*expertfs.Live, error) {
	l := *m.live
	l.All = slices.Clone(l.All)
	return &l, m.err
}

func (m *mount) Set(file, text string) error {
	m.set = file + " " + text
	return m.err
}

func newMount(layers, experts int) *mount {
	m := &mount{live: expertfs.NewLive(expertfs.Names{Layers: layers, Experts: experts})}
	m.stats = expertfs.Stats{Mountpoint: "/mnt/m", Model: "tiny", Layers: layers, Experts: experts, Seconds: 100, Mechanism: expertfs.Passthrough}
	m.stats.Readers = []expertfs.ReaderStats{{PID: 7, Name: "gptoss\x1b[2J", Uses: expertfs.Uses{Hits: 9, Misses: 1}}, {PID: 8, Stream: 1, Name: "cat"}}
	c := &m.stats.Cache
	c.Policy, c.Budget, c.Used, c.Resident = "forecast", 6<<30, 3<<30, 5
	c.Shadows = []expertfs.ShadowStats{{Policy: "lru", HitRate: .5}, {Policy: "lfu", HitRate: .6}}
	return m
}

// screen is what the terminal shows after both reads.
func screen(t *testing.T, m *model) []string {
	t.Helper()
	m.Update(m.look())
	m.Update(m.count())
	return shown(t, m)
}

func shown(t *testing.T, m *model) []string {
	t.Helper()
	lines := strings.Split(ansi.Strip(m.View().Content), "\n")
	require.LessOrEqual(t, len(lines), m.height)
	for _, line := range lines {
		require.LessOrEqual(t, ansi.StringWidth(line), m.width, line)
	}
	return lines
}

// press presses keys and carries out what they do, but for ends and waits.
func press(m *model, keys ...tea.KeyPressMsg) {
	for _, k := range keys {
		if _, cmd := m.Update(k); cmd != nil {
			if msg, ok := cmd().(setMsg); ok {
				m.Update(msg)
			}
		}
	}
}

func letters(text string) (keys []tea.KeyPressMsg) {
	for _, r := range text {
		keys = append(keys, tea.KeyPressMsg{Code: r, Text: string(r)})
	}
	return keys
}

var enter = tea.KeyPressMsg{Code: tea.KeyEnter}

func TestScreen(t *testing.T) {
	src := newMount(4, 32)
	m := newModel(src, nil)
	require.Equal(t, []string{"reading the mount; q ends"}, shown(t, m))
	*src.live.At(expertfs.NewKey(1, 2)) = expertfs.LiveExpert{Place: expertfs.InRAM, Uses: 3, Heat: 900}
	*src.live.At(expertfs.NewKey(2, 0)) = expertfs.LiveExpert{Place: expertfs.Loading}
	text := strings.Join(screen(t, m), "\n")
	require.Contains(t, text, "tiny  /mnt/m  up 1m40s  passthrough")
	require.Contains(t, text, "3.0 GiB of 6.0 GiB, 5 of 128 experts")
	require.Contains(t, text, "policy forecast   had it been  lfu 60.0%  lru 50.0%")
	require.Regexp(t, `\ngptoss +7 +90.0% +10 `, text, "without what would move the cursor")
	require.Contains(t, text, "\n  1 · · █ · ·")
	require.Contains(t, text, "\n  2 ○ · · · ·")

	// The rates are those between two readings, and a use lights its expert.
	src.stats.Seconds, src.stats.Readers[1].Tokens = 102, 5
	src.stats.Cache.Uses = expertfs.Uses{Hits: 3, Misses: 1}
	src.live.At(expertfs.NewKey(3, 31)).Uses++
	text = strings.Join(screen(t, m), "\n")
	require.Contains(t, text, "hit rate 75.0% now, 75.0% in all   2.5 tokens/s")
	require.Less(t, strings.Index(text, "cat "), strings.Index(text, "gptoss "), "who reads now comes first")
	lit := func() int { return strings.Count(m.View().Content, "38;2;255;244;194m") }
	require.Equal(t, 1, lit())
	for range flashes {
		m.Update(m.look())
	}
	require.Zero(t, lit())
	require.NotContains(t, text, "read from")
	src.stats.Copies = []expertfs.CopyStats{
		{Dir: "/a", Bytes: 3 << 30, Speed: 2 << 30, Serves: true}, {Dir: "/b\x1b[2J", Bytes: 1 << 30, LastError: "no"},
	}
	require.Contains(t, strings.Join(screen(t, m), "\n"), "read from  75.0% /a at 2.0 GiB/s   25.0% /b fails")
	m.Update(tea.BackgroundColorMsg{Color: ansi.BrightWhite})
	require.Contains(t, m.View().Content, "38;2;13;133;119m", "colours for a light background")
}

// TestSizes: no line is too long and no screen too high, whatever the window.
func TestSizes(t *testing.T) {
	for _, n := range [][2]int{{4, 32}, {36, 128}, {2, 1}} {
		m := newModel(newMount(n[0], n[1]), nil)
		for _, w := range []int{1, 10, 40, 80, 132, 300} {
			for _, h := range []int{1, 3, 10, 24, 60} {
				m.Update(tea.WindowSizeMsg{Width: w, Height: h})
				for range 2 {
					screen(t, m)
					press(m, tea.KeyPressMsg{Code: tea.KeyTab}, letters("?")[0])
				}
			}
		}
	}
}

func TestKeys(t *testing.T) {
	src := newMount(4, 32)
	m := newModel(src, nil)
	press(m, letters("p")...)
	require.Nil(t, m.ask, "nothing is known yet")
	screen(t, m)
	last := func() string { lines := shown(t, m); return lines[len(lines)-1] }

	press(m, letters("b")...)
	require.Contains(t, last(), "ram: 6GiB█")
	press(m, letters("4 GiBx")...) // in place of what is set
	press(m, tea.KeyPressMsg{Code: tea.KeyBackspace}, enter)
	require.Equal(t, "ram 4GiB", src.set)
	press(m, letters("b")...)
	press(m, tea.KeyPressMsg{Code: tea.KeyBackspace}, letters("b")[0], enter)
	require.Equal(t, "ram 6Gib", src.set, "a key that edits keeps it")
	press(m, letters("b")...)
	press(m, tea.KeyPressMsg{Code: 'u', Mod: tea.ModCtrl})
	press(m, letters("4GiB")...)
	press(m, enter)
	require.Equal(t, "ram: 4GiB", last())

	press(m, letters("p")...)
	press(m, tea.KeyPressMsg{Code: 'u', Mod: tea.ModCtrl}, tea.KeyPressMsg{Code: tea.KeyDown}, tea.KeyPressMsg{Code: tea.KeyDown}, tea.KeyPressMsg{Code: tea.KeyUp})
	src.err = errors.New("there is no such policy")
	chosen := string(m.ask.text)
	press(m, enter)
	require.Equal(t, "policy "+chosen, src.set)
	require.Equal(t, "there is no such policy", last())
	src.err = nil

	src.set = ""
	press(m, letters("p")...)
	press(m, tea.KeyPressMsg{Code: tea.KeyEscape})
	require.Nil(t, m.ask)
	require.Empty(t, src.set)

	// The list, in each order.
	src.live.At(expertfs.NewKey(3, 31)).Uses = 5
	src.live.At(expertfs.NewKey(2, 1)).Heat = 700
	screen(t, m)
	press(m, tea.KeyPressMsg{Code: tea.KeyTab})
	first := func() string {
		lines := shown(t, m)
		at := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "layer expert") })
		require.GreaterOrEqual(t, at, 0)
		return lines[at+1]
	}
	require.Regexp(t, `^ +3 +31 +drive +5`, first())
	press(m, letters("ss")...)
	require.Regexp(t, `^ +2 +1 +drive +0 +70.0%`, first())

	press(m, letters("?")...)
	require.Contains(t, last(), "q quit")
	require.True(t, m.bottom)
	_, cmd := m.Update(tea.KeyPressMsg{Code: tea.KeyEscape})
	require.Nil(t, cmd, "Esc leaves what is open, and ends nothing")
	require.False(t, m.bottom)
	for _, k := range append(letters("q"), tea.KeyPressMsg{Code: 'c', Mod: tea.ModCtrl}) {
		_, cmd := m.Update(k)
		require.Equal(t, tea.QuitMsg{}, cmd())
	}
}

func TestMountsThatCannotBeChanged(t *testing.T) {
	m := newModel(newMount(4, 32), errors.New("the mount is read-only"))
	screen(t, m)
	press(m, letters("b")...)
	require.Nil(t, m.ask)
	require.Equal(t, "the mount is read-only", shown(t, m)[m.height-1])
}

// TestScrolling: what the window has no room for can be looked at.
func TestScrolling(t *testing.T) {
	m := newModel(newMount(36, 32), nil)
	screen(t, m)
	first := func() string {
		lines := shown(t, m)
		at := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "reader") }) + 4
		if m.list {
			at++
		}
		return strings.Fields(lines[at])[0]
	}
	all := func() string { return strings.Join(shown(t, m), "\n") }
	require.Equal(t, "0", first())
	press(m, tea.KeyPressMsg{Code: tea.KeyUp})
	require.Equal(t, "0", first())
	press(m, tea.KeyPressMsg{Code: tea.KeyDown})
	require.Equal(t, "1", first())
	press(m, tea.KeyPressMsg{Code: tea.KeyEnd})
	require.Contains(t, all(), "\n 35 ")
	press(m, tea.KeyPressMsg{Code: tea.KeyPgUp})
	require.NotContains(t, all(), "\n 35 ")
	m.Update(tea.WindowSizeMsg{Width: 80, Height: 60})
	require.Equal(t, "0", first(), "there is room for all")
	m.Update(tea.WindowSizeMsg{Width: 80, Height: 24})
	press(m, tea.KeyPressMsg{Code: tea.KeyPgDown}, tea.KeyPressMsg{Code: tea.KeyHome})
	require.Equal(t, "0", first())
	press(m, tea.KeyPressMsg{Code: tea.KeyTab}, tea.KeyPressMsg{Code: tea.KeyEnd})
	require.Equal(t, "35", first(), "the last experts of the list")
}

// TestAMountThatHangs shows its last figures, and that they are the last.
func TestAMountThatHangs(t *testing.T) {
	m := newModel(newMount(4, 32), nil)
	require.NotContains(t, screen(t, m)[0], "no answer")
	m.answered = m.answered.Add(-7 * time.Second)
	m.Update(tickMsg{})
	require.Contains(t, shown(t, m)[0], "no answer for 7s")
}

func TestMountsThatGo(t *testing.T) {
	src := newMount(4, 32)
	m := newModel(src, nil)
	screen(t, m)
	src.err = &expertfs.DeadMountError{Point: "/mnt/m"}
	m.Update(tea.WindowSizeMsg{Width: 40, Height: 12})
	require.Equal(t, src.err.Error()+"; q ends", strings.Join(screen(t, m), " "), "all of it is to be read")
	m.Update(tea.WindowSizeMsg{Width: 80, Height: 24})
	src.err = nil
	src.live, src.stats.Layers = expertfs.NewLive(expertfs.Names{Layers: 2, Experts: 8}), 2
	src.stats.PID, src.stats.Experts = 99, 8
	require.Contains(t, strings.Join(screen(t, m), "\n"), "of 16 experts")
}
