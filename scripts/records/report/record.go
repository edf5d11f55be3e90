package report

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Record is what one part measured on one machine.
type Record struct {
	Part    string    `json:"part"`
	Machine Machine   `json:"machine"`
	Commit  string    `json:"commit"`  // of this project; with + when files were changed
	Date    string    `json:"date"`    // day, or RFC 3339, of the first run
	Command string    `json:"command"` // that gives it again
	Model   *Model    `json:"model,omitempty"`
	Peer    string    `json:"peer,omitempty"` // which llama.cpp
	Load    Load      `json:"load"`
	Notes   []string  `json:"notes,omitempty"`
	Results []Measure `json:"results"`
}

// Machine is where it was measured.
type Machine struct {
	CPU          string `json:"cpu"`  // as /proc/cpuinfo says
	Name         string `json:"name"` // of its kind: Zen 4, Sapphire Rapids
	CPUs         int    `json:"cpus"`
	Instructions string `json:"instructions"` // the level that the kernels chose
	Memory       int64  `json:"memory_bytes"`
	Kernel       string `json:"kernel"`
	Drive        string `json:"drive,omitempty"`
}

// Model is what was run. Sizes are in bytes; those of a token are what computing one
// reads: the dense weights, and the experts that it uses.
type Model struct {
	Name       string `json:"name"`
	Layers     int    `json:"layers"`
	OfLayers   int    `json:"of_layers"` // of the real model
	Experts    int64  `json:"experts_bytes"`
	TokenBytes int64  `json:"token_bytes"`
}

// Part of the real model, by its layers.
func (m *Model) Part() float64 { return float64(m.Layers) / float64(m.OfLayers) }

// Load tells whether the machine was quiet: what share of its processors others used
// just before the runs, at most, and the load average before the first. Unknown is
// that of figures from before this program, of which nobody noted it.
type Load struct {
	Average float64 `json:"average"`
	Others  float64 `json:"others"`
	Busy    bool    `json:"busy,omitempty"` // too much for figures to count
	Unknown bool    `json:"unknown,omitempty"`
}

// Measure is one quantity of one case, as many times as it was measured.
type Measure struct {
	Case     string    `json:"case"`     // what was done: room for 25%
	Arm      string    `json:"arm"`      // by whom: gptoss, llama.cpp
	Quantity string    `json:"quantity"` // what was measured: speed, hit rate
	Unit     string    `json:"unit"`
	Runs     []float64 `json:"runs"` // in the order in which they were made, in turn with the other arms
	Median   float64   `json:"median"`
	Command  string    `json:"command,omitempty"`
}

// Units that measures may have.
var Units = []string{"tok/s", "GB/s", "GMAC/s", "MB", "ms", "us", "s", "%", "x"}

// Median of runs, of which there is at least one.
func Median(runs []float64) float64 {
	v := slices.Sorted(slices.Values(runs))
	n := len(v)
	return round((v[(n-1)/2] + v[n/2]) / 2)
}

// round keeps five significant digits: files stay readable.
func round(x float64) float64 {
	if x == 0 {
		return 0
	}
	scale := math.Pow(10, 4-math.Floor(math.Log10(math.Abs(x))))
	return math.Round(x*scale) / scale
}

// Add appends one run of a measure, which begins with the first.
func (r *Record) Add(m Measure, run float64) {
	for i := range r.Results {
		if x := &r.Results[i]; x.Case == m.Case && x.Arm == m.Arm && x.Quantity == m.Quantity {
			x.Runs = append(x.Runs, round(run))
			x.Median = Median(x.Runs)
			return
		}
	}
	m.Runs = []float64{round(run)}
	m.Median = Median(m.Runs)
	r.Results = append(r.Results, m)
}

// Find returns a measure, nil where there is none.
func (r *Record) Find(name, arm, quantity string) *Measure {
	for i := range r.Results {
		if m := &r.Results[i]; m.Case == name && m.Arm == arm && m.Quantity == quantity {
			return m
		}
	}
	return nil
}

// Cases in the order in which they were measured.
func (r *Record) Cases() []string {
	var names []string
	for _, m := range r.Results {
		if !slices.Contains(names, m.Case) {
			names = append(names, m.Case)
		}
	}
	return names
}

// Write writes the record to its place below dir and returns the path.
func (r *Record) Write(dir string) (string, error) {
	if err := r.Validate(); err != nil {
		return "", err
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, Slug(r.Machine.Name), r.Part+".json")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	return path, os.WriteFile(path, append(joinNumbers(text), '\n'), 0o644)
}

// joinNumbers writes lists of numbers on one line.
func joinNumbers(text []byte) []byte {
	var out bytes.Buffer
	list := false
	for line := range bytes.Lines(text) {
		trimmed := bytes.TrimSpace(line)
		switch {
		case bytes.HasSuffix(trimmed, []byte(`"runs": [`)):
			list = true
			out.Write(bytes.TrimRight(line, "\n"))
		case list && trimmed[0] == ']':
			list = false
			out.Write(trimmed)
			out.WriteByte('\n')
		case list:
			out.Write(bytes.Replace(trimmed, []byte(","), []byte(", "), 1))
		default:
			out.Write(line)
		}
	}
	return out.Bytes()
}

// Slug is a machine's name as the name of a folder.
func Slug(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(name))
}

// Read reads one file.
func Read(path string) (*Record, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	r := new(Record)
	if err := dec.Decode(r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := r.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if want := filepath.Join(Slug(r.Machine.Name), r.Part+".json"); !strings.HasSuffix(path, want) {
		return nil, fmt.Errorf("%s: its place is %s", path, want)
	}
	return r, nil
}

// ReadAll reads the files of all machines below dir, the newest first.
func ReadAll(dir string) ([]*Record, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*", "*.json"))
	if err != nil {
		return nil, err
	}
	var records []*Record
	for _, path := range paths {
		r, err := Read(path)
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	slices.SortStableFunc(records, func(a, b *Record) int {
		return cmp.Or(strings.Compare(b.Date, a.Date), strings.Compare(a.Machine.Name, b.Machine.Name))
	})
	return records, nil
}

// Validate says what is wrong with a record.
func (r *Record) Validate() error {
	if partNamed(r.Part) == nil {
		return fmt.Errorf("part %q is not one of those that are drawn", r.Part)
	}
	if r.Machine.CPU == "" || Slug(r.Machine.Name) == "" || r.Machine.CPUs < 1 || r.Machine.Memory < 1 || r.Machine.Kernel == "" {
		return fmt.Errorf("machine lacks one of cpu, name, cpus, memory_bytes, kernel")
	}
	if r.Commit == "" || r.Command == "" {
		return fmt.Errorf("commit and command must be told")
	}
	if _, err := time.Parse(time.DateOnly, r.Date[:min(len(r.Date), 10)]); err != nil {
		return fmt.Errorf("date %q: %w", r.Date, err)
	}
	if m := r.Model; m != nil && (m.Name == "" || m.Layers < 1 || m.OfLayers < m.Layers || m.TokenBytes < 1) {
		return fmt.Errorf("model lacks its name, layers, of_layers or token_bytes")
	}
	if len(r.Results) == 0 {
		return fmt.Errorf("no results")
	}
	for i, m := range r.Results {
		if err := m.validate(); err != nil {
			return fmt.Errorf("results[%d], %s, %s, %s: %w", i, m.Case, m.Arm, m.Quantity, err)
		}
		if r.Find(m.Case, m.Arm, m.Quantity) != &r.Results[i] {
			return fmt.Errorf("results[%d], %s, %s, %s: there twice", i, m.Case, m.Arm, m.Quantity)
		}
	}
	return nil
}

func (m *Measure) validate() error {
	switch {
	case m.Case == "" || m.Arm == "" || m.Quantity == "":
		return fmt.Errorf("case, arm and quantity must be told")
	case !slices.Contains(Units, m.Unit):
		return fmt.Errorf("unit %q is not one of %s", m.Unit, strings.Join(Units, ", "))
	case len(m.Runs) == 0:
		return fmt.Errorf("no runs")
	case slices.ContainsFunc(m.Runs, func(x float64) bool { return x < 0 || math.IsNaN(x) || math.IsInf(x, 0) }):
		return fmt.Errorf("a run is negative or no number")
	case m.Median != Median(m.Runs):
		return fmt.Errorf("median %g, the runs have %g", m.Median, Median(m.Runs))
	}
	return nil
}
