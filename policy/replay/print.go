package replay

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"

	"expertfs/policy"

	"github.com/dustin/go-humanize"
)

// Named is a spec as tables show it, with what "default" stands for beside it.
func Named(spec string) string {
	if resolved := policy.Resolve(spec); resolved != spec {
		return fmt.Sprintf("%s (%s)", spec, resolved)
	}
	return spec
}

// WriteTable prints results for people.
func WriteTable(w io.Writer, table []Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	timed := timed(table)
	fmt.Fprint(t, "RAM\t\thits\tof Belady's\tmisses/token\tread/token\t")
	if timed {
		fmt.Fprint(t, "read time/token\t")
	}
	fmt.Fprint(t, " policy\n")
	for _, r := range table {
		fmt.Fprintf(t, "%.1f%%\t%s\t%.1f%%\t%.1f%%\t%.2f\t%s\t",
			r.RAMFraction*100, humanize.IBytes(uint64(r.RAMBytes)), r.HitRate*100, r.BeladyShare*100,
			r.MissesPerToken, humanize.Bytes(uint64(r.MissBytesPerToken)))
		if timed {
			fmt.Fprintf(t, "%.1f ms\t", r.SecondsPerToken*1e3)
		}
		fmt.Fprintf(t, " %s\n", Named(r.Policy))
	}
	return t.Flush()
}

// timed tells whether a bandwidth was known. Every policy has misses, the first
// use of each expert at the least, and so a time.
func timed(table []Result) bool { return len(table) > 0 && table[0].SecondsPerToken > 0 }

// WriteCSV prints results for programs, with the names of the JSON fields.
// Seconds are empty where no bandwidth was known.
func WriteCSV(w io.Writer, table []Result) error {
	timed := timed(table)
	out := csv.NewWriter(w)
	// The writer keeps its first error for Error.
	_ = out.Write([]string{"policy", "ram_fraction", "ram_bytes", "hit_rate", "belady_share", "tokens", "accesses", "hits",
		"misses_per_token", "miss_bytes_per_token", "miss_seconds_per_token"})
	float := func(v float64) string { return strconv.FormatFloat(v, 'g', 8, 64) }
	for _, r := range table {
		seconds := "" // not known without a bandwidth
		if timed {
			seconds = float(r.SecondsPerToken)
		}
		_ = out.Write([]string{r.Policy, float(r.RAMFraction), strconv.FormatInt(r.RAMBytes, 10), float(r.HitRate), float(r.BeladyShare),
			strconv.FormatInt(r.Tokens, 10), strconv.FormatInt(r.Accesses, 10), strconv.FormatInt(r.Hits, 10),
			float(r.MissesPerToken), float(r.MissBytesPerToken), seconds})
	}
	out.Flush()
	return out.Error()
}
