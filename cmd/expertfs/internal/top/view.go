package top

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"expertfs"
	"expertfs/cmd/expertfs/internal/watch"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/dustin/go-humanize"
)

// View implements tea.Model.
func (m *model) View() tea.View {
	lines := m.lines()
	for i, line := range lines {
		lines[i] = ansi.Truncate(line, m.width, "…")
	}
	v := tea.NewView(strings.Join(lines, "\n"))
	v.AltScreen = true
	if m.stats != nil {
		v.WindowTitle = "expertfs " + m.stats.Mountpoint
	}
	return v
}

// lines are those of the screen, as many as it has.
func (m *model) lines() []string {
	if m.stats == nil || m.live == nil {
		text := "reading the mount"
		if m.failure != nil {
			text = printable(m.failure.Error())
		}
		return m.wrapped(text + "; q ends")
	}
	lines := m.above()
	foot := m.foot()
	foot = foot[:min(len(foot), max(1, m.height))]
	if room := m.room(); room > 0 {
		if m.list {
			lines = append(lines, m.experts(room+1)...)
		} else {
			lines = append(lines, m.chart(m.width, room)...)
		}
	}
	lines = lines[:min(len(lines), max(0, m.height-len(foot)))]
	for len(lines)+len(foot) < m.height {
		lines = append(lines, "")
	}
	return append(lines, foot...)
}

// wrapped cuts a text into lines, as many as the screen has at most.
func (m *model) wrapped(text string) []string {
	lines := strings.Split(ansi.Wrap(text, max(1, m.width), " "), "\n")
	return lines[:min(len(lines), max(1, m.height))]
}

// above is what stands above the map or the list.
func (m *model) above() []string {
	return slices.Concat(m.head(), []string{""}, m.tableOfReaders(), []string{""})
}

// room is how many lines of the map, or entries of the list, there is room for.
func (m *model) room() int {
	if m.stats == nil || m.live == nil {
		return 0
	}
	room := m.height - len(m.above()) - len(m.foot())
	if m.list {
		room-- // its heading
	}
	return max(0, room)
}

// rows is how many there are.
func (m *model) rows() int {
	switch {
	case m.live == nil:
		return 0
	case m.list:
		return len(m.live.All)
	}
	return m.live.Layers
}

// silence is after how long a mount that has not answered is said to be silent.
const silence = 2 * time.Second

// head is what there is to say of the mount as a whole.
func (m *model) head() []string {
	s, c, quiet := m.stats, &m.stats.Cache, m.colours().quiet
	var r watch.Rates
	hits := "-"
	if m.before != nil {
		r = watch.Between(m.before, s)
		if r.HitRate >= 0 {
			hits = percent(r.HitRate)
		}
	}
	state := ""
	if wait := time.Since(m.answered); wait > silence {
		state = fmt.Sprintf("no answer for %v  ", wait.Truncate(time.Second)) // the figures are the last that came
	}
	title := fmt.Sprintf("%s  %s%s", bold(s.Model), bold(state), colour(quiet, fmt.Sprintf("%s  up %v  %s", s.Mountpoint, watch.Uptime(s), s.Mechanism)))
	rates := fmt.Sprintf("hit rate %s now, %s in all   %.1f tokens/s   waiting %s   drive %s/s",
		bold(hits), rate(c.Uses), r.Tokens, percent(r.Waited), humanize.IBytes(uint64(max(r.Read, 0))))
	memory := fmt.Sprintf("RAM %s %s of %s, %d of %d experts", m.bar(24), humanize.IBytes(uint64(c.Used)), humanize.IBytes(uint64(c.Budget)), c.Resident, s.Layers*s.Experts)
	policies := "policy " + bold(c.Policy)
	shadows := slices.Clone(c.Shadows)
	slices.SortStableFunc(shadows, func(a, b expertfs.ShadowStats) int { return int(1e6 * (b.HitRate - a.HitRate)) })
	for i, g := range shadows {
		if i == 0 {
			policies += "   had it been"
		}
		policies += fmt.Sprintf("  %s %s", g.Policy, percent(g.HitRate))
	}
	lines := []string{title, rates, memory, policies}
	if len(s.Copies) > 0 {
		lines = append(lines, copies(s.Copies))
	}
	return lines
}

// copies tells of the copies of a checkpoint with mirrors which part of the bytes each
// has given, how fast it is, and which of them fail.
func copies(list []expertfs.CopyStats) string {
	var all int64
	for _, d := range list {
		all += d.Bytes
	}
	var parts []string
	for _, d := range list {
		text := fmt.Sprintf("%s %s", percent(float64(d.Bytes)/float64(max(all, 1))), printable(d.Dir))
		if d.Speed > 0 {
			text += fmt.Sprintf(" at %s/s", humanize.IBytes(uint64(d.Speed)))
		}
		switch {
		case !d.Serves:
			text += bold(" fails")
		case d.LeftFiles > 0:
			text += bold(fmt.Sprintf(" %d files fail", d.LeftFiles))
		}
		parts = append(parts, text)
	}
	return "read from  " + strings.Join(parts, "   ")
}

// bar shows how the budget is filled: open or mapped, kept, loading.
func (m *model) bar(width int) string {
	c, k := &m.stats.Cache, m.colours()
	p := newPainter()
	full := float64(max(c.Budget, c.Used, 1))
	used, kept, loading := float64(c.HeldBytes+c.MappedBytes)/full, float64(c.ResidentBytes)/full, float64(c.ResidentBytes+c.LoadingBytes)/full
	for i := range width {
		switch at := (float64(i) + 0.5) / float64(width); {
		case at < used:
			p.in(k.ram, '█')
		case at < kept:
			p.in(k.ram, '▓')
		case at < loading:
			p.in(k.load, '▒')
		default:
			p.in(k.drive, '░')
		}
	}
	p.reset()
	return p.String()
}

// tableOfReaders lists who reads, as many as leave room for the experts.
func (m *model) tableOfReaders() []string {
	list, tokens := m.readers()
	if len(list) == 0 {
		return []string{colour(m.colours().quiet, "nobody reads this mount")}
	}
	lines := []string{colour(m.colours().quiet, fmt.Sprintf("%-14s %7s %7s %9s %8s %8s %9s %9s", "reader", "pid", "hits", "uses", "tokens", "a second", "mapped", "may keep"))}
	for _, r := range list[:min(len(list), max(1, m.height/6))] {
		name, pid := ansi.Truncate(printable(r.Name), 14, "…"), fmt.Sprint(r.PID)
		if r.PID == 0 {
			name, pid = "several", "-"
		}
		lines = append(lines, fmt.Sprintf("%-14s %7s %7s %9d %8d %8.1f %9s %9s", name, pid, rate(r.Uses), r.Total(), r.Tokens,
			tokens[r.Stream], humanize.IBytes(uint64(r.MappedBytes)), humanize.IBytes(uint64(r.ShareBytes))))
	}
	return lines
}

// experts lists those that come first in the order that is chosen.
func (m *model) experts(room int) []string {
	l := m.live
	key := func(i int) int64 {
		switch orders[m.order] {
		case "uses":
			return l.All[i].Uses
		case "heat":
			return int64(l.All[i].Heat)
		}
		return int64(m.lately[i])
	}
	all := make([]int, len(l.All))
	for i := range all {
		all[i] = i
	}
	slices.SortStableFunc(all, func(a, b int) int { return int(min(max(key(b)-key(a), -1), 1)) })
	lines := []string{colour(m.colours().quiet, fmt.Sprintf("%5s %6s  %-12s %10s %10s", "layer", "expert", "where", "uses", "of steps"))}
	where := map[expertfs.Place]string{expertfs.InRAM: "RAM", expertfs.OnDrive: "drive", expertfs.Loading: "loading", expertfs.ReadAhead: "read ahead"}
	all = all[min(m.scroll, len(all)):]
	for _, i := range all[:min(len(all), max(0, room-1))] {
		e := l.All[i]
		line := fmt.Sprintf("%5d %6d  %-12s %10d %9.1f%%", i/l.Experts, i%l.Experts, where[e.Place], e.Uses, float64(e.Heat)/10)
		if m.lit[i] > 0 {
			line = colour(m.colours().flash, line)
		}
		lines = append(lines, line)
	}
	return lines
}

// foot is what is asked, said, or explained.
func (m *model) foot() []string {
	quiet := m.colours().quiet
	switch {
	case m.ask != nil:
		written := string(m.ask.text)
		if m.ask.fresh {
			written = "\x1b[7m" + written + "\x1b[27m" // what is written comes in its place
		}
		text := fmt.Sprintf("%s: %s█", m.ask.file, written)
		hint := "   Enter sets it, Esc leaves it"
		if len(m.ask.choices) > 0 {
			hint = "   Up and Down go through all," + hint[2:]
		}
		return []string{ansi.TruncateLeft(text, max(0, ansi.StringWidth(text)-m.width), "") + colour(quiet, hint)}
	case m.word != "":
		return m.wrapped(printable(m.word))
	case m.bottom:
		marks := m.wrapped(fmt.Sprintf("in RAM %s, on the drive %s, colder to hotter; %c loading, %c read ahead; behind a layer how many are in RAM",
			string(ramMarks), string(driveMarks), loadMark, aheadMark))
		for i := range marks {
			marks[i] = colour(quiet, marks[i])
		}
		return append(marks, colour(quiet, m.keys()))
	}
	return []string{colour(quiet, m.keys())}
}

func (m *model) keys() string {
	other := "list"
	if m.list {
		other = "map"
	}
	if m.width < 72 {
		return "q quit p policy b RAM s sort Tab ? more"
	}
	return fmt.Sprintf("q quit  p policy  b budget  s sort by %s  Tab %s  Up Down  ? marks", orders[(m.order+1)%len(orders)], other)
}

func bold(text string) string { return "\x1b[1m" + text + "\x1b[22m" }

func percent(share float64) string { return fmt.Sprintf("%.1f%%", 100*share) }

// rate is a hit rate, which there is none of before the first use.
func rate(u expertfs.Uses) string {
	if u.Total() == 0 {
		return "-"
	}
	return percent(u.HitRate())
}

// printable is what of a text a terminal may be given.
func printable(text string) string { return ansi.Strip(strings.ToValidUTF8(text, "?")) }
