package replay

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
)

// WriteTable prints results for people.
func WriteTable(w io.Writer, table []Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	timed := len(table) > 0 && table[0].SecondsPerToken > 0
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
		fmt.Fprintf(t, " %s\n", r.Policy)
	}
	return t.Flush()
}

// WriteCSV prints results for programs, with the names of the JSON fields.
func WriteCSV(w io.Writer, table []Result) error {
	out := csv.NewWriter(w)
	// The writer keeps its first error for Error.
	_ = out.Write([]string{"policy", "ram_fraction", "ram_bytes", "hit_rate", "belady_share", "tokens", "accesses", "hits",
		"misses_per_token", "miss_bytes_per_token", "miss_seconds_per_token"})
	float := func(v float64) string { return strconv.FormatFloat(v, 'g', 8, 64) }
	for _, r := range table {
		_ = out.Write([]string{r.Policy, float(r.RAMFraction), strconv.FormatInt(r.RAMBytes, 10), float(r.HitRate), float(r.BeladyShare),
			strconv.FormatInt(r.Tokens, 10), strconv.FormatInt(r.Accesses, 10), strconv.FormatInt(r.Hits, 10),
			float(r.MissesPerToken), float(r.MissBytesPerToken), float(r.SecondsPerToken)})
	}
	out.Flush()
	return out.Error()
}
