package metrics

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"expertfs"
)

// Text writes all metrics in Prometheus's text format, in the order of the
// control file.
func Text(b *bytes.Buffer, s *expertfs.Stats) {
	for _, m := range all {
		fmt.Fprintf(b, "# HELP %s%s %s\n# TYPE %s%s %s\n", prefix, m.name, m.help, prefix, m.name, m.kind())
		for _, one := range m.series(s) {
			fmt.Fprintf(b, "%s%s%s %s\n", prefix, m.name, labels(m.labels, one.labels), number(one.value))
		}
	}
	fmt.Fprintf(b, "# HELP %s %s\n# TYPE %s histogram\n", latencyName, latencyHelp, latencyName)
	list, count := buckets(&s.Cache.Latency)
	for _, k := range list {
		fmt.Fprintf(b, "%s_bucket{le=\"%g\"} %d\n", latencyName, k.bound, k.count)
	}
	fmt.Fprintf(b, "%s_bucket{le=\"+Inf\"} %d\n%s_sum %g\n%s_count %d\n", latencyName, count, latencyName, s.Cache.Latency.Sum.Seconds(), latencyName, count)
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// labelEscapes are all that the text format knows.
var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// labels writes names and values as labels of a series, "" for none.
func labels(names, values []string) string {
	if len(names) == 0 {
		return ""
	}
	var b strings.Builder
	for i, name := range names {
		fmt.Fprintf(&b, `,%s="%s"`, name, labelEscapes.Replace(valid(values[i])))
	}
	return "{" + b.String()[1:] + "}"
}

// valid makes a name of a process or a file a value of a label.
func valid(text string) string { return strings.ToValidUTF8(text, "?") }

// Table lists all metrics as docs/METRICS.md has them.
func Table() string {
	var b strings.Builder
	b.WriteString("| metric | type | labels | what it tells |\n| --- | --- | --- | --- |\n")
	for _, m := range all {
		names := ""
		if len(m.labels) > 0 {
			names = "`" + strings.Join(m.labels, "`, `") + "`"
		}
		fmt.Fprintf(&b, "| `%s%s` | %s | %s | %s |\n", prefix, m.name, m.kind(), names, m.help)
	}
	fmt.Fprintf(&b, "| `%s` | histogram | | %s |\n", latencyName, latencyHelp)
	return b.String()
}
