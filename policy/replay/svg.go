package replay

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"

	"expertfs/policy"

	"github.com/dustin/go-humanize"
)

// The picture, in pixels.
const (
	width, height                = 860, 520
	left, right, top, bottom     = 64, 190, 56, 56
	plotWidth, plotHeight        = width - left - right, height - top - bottom
	labelGap                     = 17 // between the baselines of two labels
	ink, faint, grid, background = "#24292f", "#6e7781", "#e6e8eb", "#ffffff"
)

// colours tell policies apart, also in most kinds of colour blindness when
// joined with the dashes (Okabe and Ito).
var colours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195"}

var dashes = []string{"", "7 3", "2 3"}

// baseline is the policy to compare with, being what an operating system does.
const baseline = "lru"

// CurveBudgets are budgets at which a curve is worth computing: closer where
// there is little RAM, as the curves bend there.
func CurveBudgets(total int64) []int64 {
	var budgets []int64
	for _, share := range []float64{1. / 32, 1. / 16, 3. / 32, 1. / 8, 3. / 16, 1. / 4, 5. / 16, 3. / 8, 1. / 2, 5. / 8, 3. / 4, 7. / 8, 1} {
		budgets = append(budgets, int64(share*float64(total)+0.5))
	}
	return budgets
}

// curve is the line of one policy.
type curve struct {
	name   string
	points []Result
	label  float64 // y of its label
}

// WriteSVG draws hit rate over RAM, a line for each policy, which is labelled
// in the margin, the best first.
func WriteSVG(w io.Writer, table []Result) error {
	var curves []*curve
	for _, r := range table {
		if len(curves) == 0 || curves[len(curves)-1].name != r.Policy {
			curves = append(curves, &curve{name: r.Policy})
		}
		c := curves[len(curves)-1]
		c.points = append(c.points, r)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="system-ui, sans-serif" font-size="13" fill="%s">`+"\n", width, height, width, height, ink)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="%s"/>`+"\n", background)
	axes(&b, table)
	order := slices.Clone(curves)
	for _, c := range order {
		c.label = mean(c.points)
	}
	slices.SortStableFunc(order, func(a, b *curve) int { return cmp.Compare(b.label, a.label) })
	for i, c := range order {
		c.label = float64(top + 14 + i*labelGap)
	}
	for i, c := range slices.Backward(order) { // the best on top
		c.draw(&b, i)
	}
	b.WriteString("</svg>\n")
	_, err := w.Write(b.Bytes())
	return err
}

func mean(points []Result) float64 {
	sum := 0.0
	for _, p := range points {
		sum += p.HitRate
	}
	return sum / float64(len(points))
}

func x(share float64) float64 { return left + share*plotWidth }
func y(rate float64) float64  { return top + (1-rate)*plotHeight }

// axes draws all but the curves.
func axes(b *bytes.Buffer, table []Result) {
	fmt.Fprintf(b, `<text x="%d" y="26" font-size="17" font-weight="600">Hit rate of eviction policies on recorded routing</text>`+"\n", left)
	if len(table) > 0 {
		fmt.Fprintf(b, `<text x="%d" y="44" fill="%s">%s tokens, %s expert accesses; RAM warm from one trace to the next</text>`+"\n", left, faint, humanize.Comma(table[0].Tokens), humanize.Comma(table[0].Accesses))
	}
	for percent := 0; percent <= 100; percent += 20 {
		at := y(float64(percent) / 100)
		fmt.Fprintf(b, `<path d="M%d %.1fH%d" stroke="%s"/><text x="%d" y="%.1f" text-anchor="end" fill="%s">%d%%</text>`+"\n", left, at, left+plotWidth, grid, left-8, at+4, faint, percent)
	}
	for percent := 0.0; percent <= 100; percent += 12.5 {
		at := x(percent / 100)
		fmt.Fprintf(b, `<path d="M%.1f %dv%d" stroke="%s"/><text x="%.1f" y="%d" text-anchor="middle" fill="%s">%g%%</text>`+"\n", at, top, plotHeight, grid, at, top+plotHeight+18, faint, percent)
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">share of all experts in RAM</text>`+"\n", left+plotWidth/2, height-14)
	fmt.Fprintf(b, `<text transform="translate(18 %d) rotate(-90)" text-anchor="middle">accesses served from RAM</text>`+"\n", top+plotHeight/2)
}

// draw draws a curve and its label; the style depends on its rank.
func (c *curve) draw(b *bytes.Buffer, rank int) {
	colour, dash, stroke := colours[rank%len(colours)], dashes[rank/len(colours)%len(dashes)], 1.6
	switch {
	case c.name == Belady:
		colour, dash = ink, "5 4"
	case c.name == policy.Default:
		stroke = 3.2
	case c.name == baseline:
		colour, dash, stroke = faint, "", 2.4
	}
	var path strings.Builder
	for i, p := range c.points {
		command := 'L'
		if i == 0 {
			command = 'M'
		}
		fmt.Fprintf(&path, "%c%.1f %.1f", command, x(p.RAMFraction), y(p.HitRate))
	}
	style := fmt.Sprintf(`fill="none" stroke="%s" stroke-width="%g" stroke-linejoin="round"`, colour, stroke)
	if dash != "" {
		style += fmt.Sprintf(` stroke-dasharray="%s"`, dash)
	}
	fmt.Fprintf(b, `<path d="%s" %s/>`+"\n", path.String(), style)
	from := float64(left + plotWidth + 16)
	fmt.Fprintf(b, `<path d="M%.1f %.1fh26" %s/><text x="%.1f" y="%.1f"%s>`, from, c.label-4, style, from+34, c.label, weight(c.name))
	// Escaping cannot fail: it writes to memory.
	_ = xml.EscapeText(b, []byte(label(c.name)))
	b.WriteString("</text>\n")
}

func label(name string) string {
	switch name {
	case Belady:
		return "optimum (Belady)"
	case policy.Default:
		return name + " (default)"
	}
	return name
}

func weight(name string) string {
	if name == policy.Default {
		return ` font-weight="600"`
	}
	return ""
}
