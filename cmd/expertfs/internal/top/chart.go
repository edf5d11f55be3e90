package top

import (
	"fmt"
	"math"
	"strings"

	"expertfs"
)

// The marks of an expert, the coldest first, as in the file heatmap: bars in RAM,
// letters on the drive. They tell the same without colours.
var (
	ramMarks   = []rune("▁▂▃▄▅▆▇█")
	driveMarks = []rune("·.:-=+*#")
)

const (
	loadMark  = '○'
	aheadMark = '◌'
)

// rgb is a colour; the terminal gets the nearest that it has.
type rgb [3]uint8

// colours are those of a background.
type colours struct{ ram, drive, load, ahead, flash, quiet rgb }

var (
	onDark  = colours{rgb{43, 196, 174}, rgb{110, 122, 137}, rgb{240, 166, 60}, rgb{157, 132, 245}, rgb{255, 244, 194}, rgb{148, 161, 176}}
	onLight = colours{rgb{13, 133, 119}, rgb{140, 153, 168}, rgb{217, 130, 10}, rgb{125, 92, 224}, rgb{224, 36, 94}, rgb{91, 102, 115}}
)

func (m *model) colours() colours {
	if m.dark {
		return onDark
	}
	return onLight
}

// painter writes text in colours, which it changes only where they differ.
type painter struct {
	strings.Builder
	now   rgb
	plain bool // no colour is set
}

func newPainter() *painter { return &painter{plain: true} }

func (p *painter) in(c rgb, r rune) {
	if p.plain || p.now != c {
		fmt.Fprintf(p, "\x1b[38;2;%d;%d;%dm", c[0], c[1], c[2])
		p.now, p.plain = c, false
	}
	p.WriteRune(r)
}

func (p *painter) reset() {
	if !p.plain {
		p.WriteString("\x1b[39m")
		p.plain = true
	}
}

// colour makes a text of one colour.
func colour(c rgb, text string) string {
	return fmt.Sprintf("\x1b[38;2;%d;%d;%dm%s\x1b[39m", c[0], c[1], c[2], text)
}

// mark is how an expert is drawn. even is the heat of one that is used as often as
// any other.
func mark(c colours, e expertfs.LiveExpert, lit bool, even float64) (rgb, rune) {
	scale, tone := driveMarks, c.drive
	switch e.Place {
	case expertfs.InRAM:
		scale, tone = ramMarks, c.ram
	case expertfs.Loading:
		return c.load, loadMark
	case expertfs.ReadAhead:
		return c.ahead, aheadMark
	}
	level := 0
	if e.Heat > 0 && even > 0 {
		level = int(float64(len(scale))/2 + 1.5*math.Log2(float64(e.Heat)/even))
	}
	if lit {
		tone = c.flash
	}
	return tone, scale[min(max(level, 0), len(scale)-1)]
}

// chart draws all experts, a line for each layer, within width columns and height
// lines. Where experts are too many for the width, each mark stands for the hottest
// of several; where layers are too many for the height, some are scrolled away.
func (m *model) chart(width, height int) (lines []string) {
	l, c := m.live, m.colours()
	each := max(1, (l.Experts+width-5)/max(1, width-4))
	apart := 9+2*l.Experts <= width // there is room for a blank between marks
	for layer := min(m.scroll, l.Layers); layer < l.Layers; layer++ {
		if len(lines) == height {
			break
		}
		row, resident, heat := l.All[layer*l.Experts:][:l.Experts], 0, 0
		for _, e := range row {
			heat += e.Heat
		}
		p := newPainter()
		p.WriteString(colour(c.quiet, fmt.Sprintf("%*d ", 3, layer)))
		for at := 0; at < len(row); at += each {
			best, lit := at, false
			for i := at; i < min(at+each, len(row)); i++ {
				lit = lit || m.lit[layer*l.Experts+i] > 0
				if row[i].Heat > row[best].Heat {
					best = i
				}
				if row[i].Place == expertfs.InRAM {
					resident++
				}
			}
			p.in(mark(c, row[best], lit, float64(heat)/float64(len(row))))
			if apart {
				p.WriteByte(' ')
			}
		}
		p.reset()
		if 4+(len(row)+each-1)/each+5 <= width {
			p.WriteString(colour(c.quiet, fmt.Sprintf(" %d", resident)))
		}
		lines = append(lines, p.String())
	}
	return lines
}
