package report

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// The picture, in pixels.
const (
	width, height            = 860, 440
	left, right, top, bottom = 60, 200, 64, 54
	plotWidth, plotHeight    = width - left - right, height - top - bottom
)

// style has colours that can be told apart in most kinds of colour blindness (Okabe
// and Ito), and others where the reader's screen is dark.
const style = `<style>
.paper{fill:#ffffff}.ink{fill:#24292f}.faint{fill:#57606a}.grid{stroke:#d8dee4}
.ours{stroke:#0072b2;fill:#0072b2}.peer{stroke:#d55e00;fill:#d55e00}.limit{stroke:#57606a;fill:#57606a}
@media (prefers-color-scheme: dark){
.paper{fill:#0d1117}.ink{fill:#e6edf3}.faint{fill:#9198a1}.grid{stroke:#30363d}
.ours{stroke:#56b4e9;fill:#56b4e9}.peer{stroke:#e69f00;fill:#e69f00}.limit{stroke:#9198a1;fill:#9198a1}}
.line{fill:none;stroke-width:2.6;stroke-linejoin:round}.text{stroke:none}
</style>
`

// point is one figure of a line: tokens per second with room for a share of the experts.
type point struct{ share, speed float64 }

// DecodePicture draws decoding over RAM from a record of the part room, scaled to all
// layers: gptoss, llama.cpp, and the limit that memory sets where another record of
// the machine tells its speed. It returns nil for records of other parts.
func DecodePicture(r *Record, records []*Record) []byte {
	if r.Part != "room" || r.Model == nil {
		return nil
	}
	ours, peer := points(r, Ours), points(r, Peer)
	if len(ours) == 0 {
		return nil
	}
	limit := memoryLimit(r, records)
	highest := limit
	for _, p := range append(append([]point{}, ours...), peer...) {
		highest = max(highest, p.speed)
	}
	step := axisStep(highest)
	ceiling := math.Ceil(highest/step+0.2) * step
	x := func(share float64) float64 { return left + share*plotWidth }
	y := func(speed float64) float64 { return top + (1-speed/ceiling)*plotHeight }

	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="system-ui, sans-serif" font-size="13">`+"\n", width, height, width, height)
	b.WriteString(style)
	b.WriteString(`<rect class="paper" width="100%" height="100%"/>` + "\n")
	fmt.Fprintf(&b, `<text class="ink" x="%d" y="26" font-size="17" font-weight="600">Tokens per second of gpt-oss-20b over the RAM for its experts</text>`+"\n", left)
	fmt.Fprintf(&b, `<text class="faint" x="%d" y="46">%s</text>`+"\n", left, caption(r))
	for v := 0.0; v <= ceiling+step/2; v += step {
		fmt.Fprintf(&b, `<path class="grid" d="M%d %.1fH%d"/><text class="faint" x="%d" y="%.1f" text-anchor="end">%g</text>`+"\n", left, y(v), left+plotWidth, left-8, y(v)+4, v)
	}
	for _, s := range []float64{0, .25, .5, .75, 1} {
		fmt.Fprintf(&b, `<text class="faint" x="%.1f" y="%d" text-anchor="middle">%g%%</text>`+"\n", x(s), top+plotHeight+18, 100*s)
	}
	fmt.Fprintf(&b, `<text class="ink" x="%d" y="%d" text-anchor="middle">share of the experts that RAM has room for</text>`+"\n", left+plotWidth/2, height-12)
	if limit > 0 {
		fmt.Fprintf(&b, `<path class="limit line" stroke-dasharray="7 4" d="M%d %.1fH%d"/>`+"\n", left, y(limit), left+plotWidth)
		label(&b, "limit", y(limit), fmt.Sprintf("%s: memory's speed", number(limit)))
	}
	draw(&b, "peer", peer, x, y, "llama.cpp")
	draw(&b, "ours", ours, x, y, "gptoss on expertfs")
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// points of an arm over the share of experts that has room, scaled to all layers.
func points(r *Record, arm string) []point {
	var line []point
	for _, name := range r.Cases() {
		percent, err := strconv.ParseFloat(strings.TrimSuffix(name, "%"), 64)
		m := r.Find(name, arm, Speed)
		if err == nil && m != nil {
			line = append(line, point{percent / 100, m.Median * r.Model.Part()})
		}
	}
	return line
}

// memoryLimit is how many tokens a second the machine's memory could read, 0 where
// no record tells.
func memoryLimit(r *Record, records []*Record) float64 {
	for _, other := range records {
		if other.Machine.Name != r.Machine.Name {
			continue
		}
		for _, m := range other.Results {
			if m.Arm == Memory && m.Quantity == FromMemory && (other.Part == "decode" && m.Case == Best || other.Part == "memory" && m.Case == "2") {
				return m.Median * 1e9 / float64(r.Model.TokenBytes) * r.Model.Part()
			}
		}
	}
	return 0
}

// axisStep is a round distance of about five lines up to highest.
func axisStep(highest float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(highest/4)))
	for _, step := range []float64{1, 2, 5, 10} {
		if highest/(step*power) <= 6 {
			return step * power
		}
	}
	return 10 * power
}

func caption(r *Record) string {
	text := fmt.Sprintf("%s, %d CPUs; %s", r.Machine.Name, r.Machine.CPUs, r.Date[:10])
	if r.Model.Layers < r.Model.OfLayers {
		text += fmt.Sprintf("; measured with %d of %d layers, scaled to all", r.Model.Layers, r.Model.OfLayers)
	}
	if r.Load.Busy {
		text += "; on a busy machine"
	}
	return text
}

// draw draws a line, its points with their figures, and its name.
func draw(b *bytes.Buffer, class string, line []point, x, y func(float64) float64, name string) {
	if len(line) == 0 {
		return
	}
	var path strings.Builder
	end := line[0]
	for i, p := range line {
		fmt.Fprintf(&path, "%s%.1f %.1f", map[bool]string{true: "M", false: "L"}[i == 0], x(p.share), y(p.speed))
		if p.share > end.share {
			end = p
		}
	}
	fmt.Fprintf(b, `<path class="%s line" d="%s"/>`+"\n", class, path.String())
	for _, p := range line {
		fmt.Fprintf(b, `<circle class="%s" cx="%.1f" cy="%.1f" r="3.5"/>`, class, x(p.share), y(p.speed))
		if p != end {
			fmt.Fprintf(b, `<text class="%s text" x="%.1f" y="%.1f" text-anchor="middle">%s</text>`, class, x(p.share), y(p.speed)-10, number(p.speed))
		}
		b.WriteString("\n")
	}
	label(b, class, y(end.speed), number(end.speed)+": "+name)
}

// label names a line in the margin.
func label(b *bytes.Buffer, class string, at float64, text string) {
	fmt.Fprintf(b, `<text class="%s text" x="%d" y="%.1f" font-weight="600">%s</text>`+"\n", class, left+plotWidth+12, at+4, text)
}
