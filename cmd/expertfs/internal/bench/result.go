package bench

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Result is what a run has measured.
type Result struct {
	Mountpoint string     `json:"mountpoint"`
	Model      string     `json:"model"`
	ExpertSize int        `json:"expert_size"` // bytes
	Kernel     string     `json:"kernel"`
	Processors int        `json:"processors"`
	Load       string     `json:"load"`       // load averages when the run began
	Conditions []string   `json:"conditions"` // state of caches, mechanisms, what could not be measured
	Measures   []*Measure `json:"measures"`
}

// Measure is one way of using experts, timed.
type Measure struct {
	Name    string          `json:"name"`
	Readers int             `json:"readers"` // at the same time
	Times   []time.Duration `json:"-"`       // of uses; with several readers, of rounds divided by their uses
	bytes   bool            // reads the experts' bytes

	Samples int           `json:"samples"` // that the median is of
	Median  time.Duration `json:"median_ns"`
	Rate    float64       `json:"bytes_per_second"` // 0 where no bytes are read
	Shape   *Shape        `json:"shape,omitempty"`  // of reads straight from the drive: the fastest of many

	// Limit is what the same costs without expertfs; Share is the part of the
	// limit's speed that the mount reaches.
	Limit *Measure `json:"limit,omitempty"`
	Share float64  `json:"share,omitempty"`
}

// finish computes what follows from the times. Size is that of an expert.
func (m *Measure) finish(size int) {
	m.Samples = len(m.Times)
	slices.Sort(m.Times)
	if len(m.Times) > 0 {
		m.Median = m.Times[len(m.Times)/2]
	}
	if m.Median > 0 && m.bytes {
		m.Rate = float64(size) / m.Median.Seconds()
	}
	if m.Limit != nil {
		m.Limit.finish(size)
		if m.Median > 0 {
			m.Share = float64(m.Limit.Median) / float64(m.Median)
		}
	}
}

// Write prints the result as a table for people.
func (r *Result) Write(out io.Writer) error {
	fmt.Fprintf(out, "%s on %s: experts of %d bytes\nLinux %s, %d processors, load %s\n",
		r.Model, r.Mountpoint, r.ExpertSize, r.Kernel, r.Processors, r.Load)
	for _, c := range r.Conditions {
		fmt.Fprintf(out, "- %s\n", c)
	}
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "MEASURE\tREADERS\tMEDIAN\tGB/S\tLIMIT\tMEDIAN\tGB/S\tSHARE")
	for _, m := range r.Measures {
		row := []string{m.Name, fmt.Sprint(m.Readers), short(m.Median), gigabytes(m.Rate), "", "", "", ""}
		if l := m.Limit; l != nil {
			row = append(row[:4], l.title(), short(l.Median), gigabytes(l.Rate), fmt.Sprintf("%.2f", m.Share))
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}

// title is what a table calls the measure.
func (m *Measure) title() string {
	if m.Shape != nil {
		return fmt.Sprintf("%s (%v)", m.Name, *m.Shape)
	}
	return m.Name
}

// short prints a duration to three digits or so.
func short(d time.Duration) string {
	switch {
	case d >= time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d >= time.Millisecond:
		return fmt.Sprintf("%.2f ms", d.Seconds()*1e3)
	}
	return fmt.Sprintf("%.1f us", d.Seconds()*1e6)
}

func gigabytes(rate float64) string {
	if rate == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", rate/1e9)
}
