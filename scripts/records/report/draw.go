package report

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
)

// number draws a value with three digits that count.
func number(x float64) string {
	switch {
	case x >= 100:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	case x >= 1 || x == 0:
		return fmt.Sprintf("%.2f", x)
	}
	return fmt.Sprintf("%.3f", x)
}

// cell draws the runs of a measure: all of up to four, else the range.
func cell(m *Measure) string {
	if m == nil {
		return ""
	}
	unit := ""
	if m.Unit == "%" {
		unit = "%"
	}
	sorted := slices.Sorted(slices.Values(m.Runs))
	low, middle, high := number(sorted[0]), number(m.Median)+unit, number(sorted[len(sorted)-1])
	if len(sorted) == 1 {
		return middle
	}
	if len(sorted) == 3 {
		return low + " **" + middle + "** " + high
	}
	return "**" + middle + "** (" + low + " to " + high + ")"
}

// Table draws a record: a line that says where it comes from, and its table.
func Table(r *Record) string {
	var b strings.Builder
	p := partNamed(r.Part)
	fmt.Fprintf(&b, "%s. %s\n\n", source(r), strings.Join(append([]string{"`" + r.Command + "`"}, r.Notes...), ". "))
	var columns []Column
	for i, c := range p.Columns { // without those that the record has nothing for
		aimedAt := c.Title != target || len(columns) > 0 && columns[len(columns)-1].Title == p.Columns[i-1].Title
		if aimedAt && slices.ContainsFunc(r.Cases(), func(name string) bool { return c.Cell(r, name) != "" }) {
			columns = append(columns, c)
		}
	}
	fmt.Fprintf(&b, "| %s |", p.Head)
	for _, c := range columns {
		fmt.Fprintf(&b, " %s |", c.Title)
	}
	b.WriteString("\n| --- |" + strings.Repeat(" --- |", len(columns)) + "\n")
	for _, name := range r.Cases() {
		fmt.Fprintf(&b, "| %s |", name)
		for _, c := range columns {
			fmt.Fprintf(&b, " %s |", c.Cell(r, name))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// source tells machine, model, date and load.
func source(r *Record) string {
	m := r.Machine
	parts := []string{fmt.Sprintf("**%s** (%s, %d CPUs, %s, %s)", m.Name, m.CPU, m.CPUs, strings.ReplaceAll(humanize.IBytes(uint64(m.Memory)), ".0 ", " "), m.Kernel)}
	if r.Model != nil {
		parts = append(parts, fmt.Sprintf("%s, %d of %d layers", r.Model.Name, r.Model.Layers, r.Model.OfLayers))
	}
	if r.Peer != "" {
		parts = append(parts, r.Peer)
	}
	parts = append(parts, fmt.Sprintf("%s, commit %s", r.Date[:10], r.Commit))
	if r.Load.Unknown {
		parts = append(parts, "how busy the machine was is not recorded")
	}
	if r.Load.Busy {
		parts = append(parts, fmt.Sprintf("**on a busy machine** (others used %.0f%% of the processors, load %.1f)", 100*r.Load.Others, r.Load.Average))
	}
	return strings.Join(parts, "; ")
}

// Draw returns the files that the data below root's docs/benchmarks give, by their
// paths below root: docs/benchmarks.md and README.md with what stands between their
// markers drawn anew, and the pictures.
func Draw(root string) (map[string][]byte, error) {
	records, err := ReadAll(filepath.Join(root, "docs/benchmarks"))
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, r := range records {
		if picture := DecodePicture(r, records); picture != nil {
			files[picturePath(r)] = picture
		}
	}
	for _, paper := range []string{"docs/benchmarks.md", "README.md"} {
		text, err := os.ReadFile(filepath.Join(root, paper))
		if err != nil {
			return nil, err
		}
		if text, err = fill(text, filepath.Dir(paper), records); err != nil {
			return nil, fmt.Errorf("%s: %w", paper, err)
		}
		files[paper] = text
	}
	return files, nil
}

// picturePath is where a machine's picture lies.
func picturePath(r *Record) string {
	return "docs/benchmarks/" + Slug(r.Machine.Name) + "/decode.svg"
}

const markBegin, markEnd = "<!-- records: ", "<!-- records end -->"

// fill draws what stands between the markers of a paper in dir.
func fill(text []byte, dir string, records []*Record) ([]byte, error) {
	var out bytes.Buffer
	for {
		before, rest, found := bytes.Cut(text, []byte(markBegin))
		out.Write(before)
		if !found {
			return out.Bytes(), nil
		}
		name, rest, found := bytes.Cut(rest, []byte(" -->\n"))
		_, after, closed := bytes.Cut(rest, []byte(markEnd))
		if !found || !closed {
			return nil, fmt.Errorf("%s%s is not closed by %s", markBegin, name, markEnd)
		}
		drawn, err := section(string(name), dir, records)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&out, "%s%s -->\n%s%s", markBegin, name, drawn, markEnd)
		text = after
	}
}

// section draws what a marker names: a part, or the picture of the newest machine.
func section(name, dir string, records []*Record) (string, error) {
	if name == "picture" {
		return pictureLink(dir, records), nil
	}
	if name == "headline" {
		return headline(records), nil
	}
	if partNamed(name) == nil {
		return "", fmt.Errorf("no part is called %s", name)
	}
	var tables []string
	for _, r := range records {
		if r.Part == name {
			tables = append(tables, Table(r))
		}
	}
	if len(tables) == 0 {
		return "Not measured yet.\n", nil
	}
	return strings.Join(tables, "\n"), nil
}

// pictureLink shows the picture of the machine that was measured last.
func pictureLink(dir string, records []*Record) string {
	for _, r := range records {
		if DecodePicture(r, records) != nil {
			path, err := filepath.Rel(dir, picturePath(r))
			if err == nil {
				return fmt.Sprintf("![Tokens per second of gpt-oss-20b over the RAM for its experts: gptoss on the mount, llama.cpp, and what memory allows](%s)\n", path)
			}
		}
	}
	return ""
}

// headline is what README says of the largest model, by the newest record.
func headline(records []*Record) string {
	for _, r := range records {
		if r.Part != "120b" {
			continue
		}
		var lines []string
		for _, name := range r.Cases() {
			lines = append(lines, fmt.Sprintf("**%s tok/s** with %s (%s of uses from RAM)", fullSpeed(r, name), name, cell(r.Find(name, Ours, Hits))))
		}
		scaled := ""
		if r.Model.Layers < r.Model.OfLayers {
			scaled = fmt.Sprintf(" Measured with %d of its %d layers and the same share of RAM, and scaled to all.", r.Model.Layers, r.Model.OfLayers)
		}
		if r.Load.Busy {
			scaled += " Others were at work on the machine."
		}
		return fmt.Sprintf("**gpt-oss-120b on a machine with %s** (%s, %d CPUs): %s.%s\n", strings.ReplaceAll(humanize.IBytes(uint64(r.Machine.Memory)), ".0 ", " "),
			r.Machine.Name, r.Machine.CPUs, strings.Join(lines, ", "), scaled)
	}
	return ""
}

// Update draws all, and writes those files that differ unless check is set. It
// returns their names.
func Update(root string, check bool) ([]string, error) {
	files, err := Draw(root)
	if err != nil {
		return nil, err
	}
	var changed []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(root, name)
		if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, files[name]) {
			continue
		}
		changed = append(changed, name)
		if !check {
			if err := os.WriteFile(path, files[name], 0o644); err != nil {
				return changed, err
			}
		}
	}
	return changed, nil
}
