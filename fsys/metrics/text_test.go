package metrics

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"expertfs"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
)

func TestLabelsAreWrittenAsPrometheusReadsThem(t *testing.T) {
	require.Empty(t, labels(nil, nil))
	require.Equal(t, `{a="b"}`, labels([]string{"a"}, []string{"b"}))
	require.Equal(t, "{name=\"say \\\"é\\\" \\\\ \\n\x1b ?\",pid=\"7\"}", labels([]string{"name", "pid"}, []string{"say \"é\" \\ \n\x1b \xff", "7"}))
}

// figures has a value in every place, and names that need care.
func figures() *expertfs.Stats {
	s := &expertfs.Stats{
		Mountpoint: "/mnt/a \"b\"\n", Model: "m\xff", Version: "test", Layers: 2, Experts: 4, Mechanism: expertfs.Passthrough, Seconds: 12.5,
		Readers: []expertfs.ReaderStats{{PID: 7, Name: "a\\b", Opens: 3}, {PID: 8, Name: "c", Tokens: 9}},
		Copies:  []expertfs.CopyStats{{Dir: "/a", Bytes: 1 << 33, Speed: 2.5e9, Serves: true}, {Dir: "/b", Errors: 3}},
		Source:  &expertfs.SourceStats{Requests: 3, Bytes: 5, Complete: true},
	}
	s.Cache.Uses = expertfs.Uses{Hits: 1 << 40, Misses: 2, Joins: 3}
	s.Cache.Errors = map[string]int64{"EIO": 2, "ESTALE": 1}
	s.Cache.Shadows = []expertfs.ShadowStats{{Policy: "lru", Hits: 4, Accesses: 5}, {Policy: "lru", Hits: 4, Accesses: 5}}
	s.Cache.SlotWait, s.Cache.OpenWait = 1500*time.Microsecond, 20*time.Second
	for _, d := range []time.Duration{0, time.Microsecond, time.Millisecond, 100 * time.Hour} {
		s.Cache.Latency.Add(d)
	}
	return s
}

func serve(t *testing.T, stats func() (*expertfs.Stats, error)) (status int, text string) {
	w := httptest.NewRecorder()
	Handler(stats, false).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	body, err := io.ReadAll(w.Body)
	require.NoError(t, err)
	return w.Code, string(body)
}

// TestBothFormsAreTheSame: the control file and the listener tell the same series
// with the same values and words, but for the order.
func TestBothFormsAreTheSame(t *testing.T) {
	var b bytes.Buffer
	Text(&b, figures())
	status, listener := serve(t, func() (*expertfs.Stats, error) { return figures(), nil })
	require.Equal(t, http.StatusOK, status)
	// The library writes large and small numbers with an exponent.
	exponent := regexp.MustCompile(` \d[\d.]*e[-+]\d+`)
	plain := func(text string) (lines []string) {
		for line := range strings.Lines(exponent.ReplaceAllStringFunc(text, func(v string) string {
			var f float64
			_, err := fmt.Sscan(v, &f)
			require.NoError(t, err)
			return " " + number(f)
		})) {
			lines = append(lines, sortLabels(line))
		}
		return lines
	}
	require.ElementsMatch(t, plain(b.String()), plain(listener))
	require.Contains(t, listener, "expertfs_load_seconds_bucket{le=\"+Inf\"} 4\n")
	require.Contains(t, listener, "expertfs_hits_total 1.099511627776e+12\n")
}

// sortLabels puts the labels of a line in the order of their names.
func sortLabels(line string) string {
	pair := regexp.MustCompile(`[a-z]+="(?:[^"\\]|\\.)*"`)
	open, end := strings.IndexByte(line, '{'), strings.LastIndexByte(line, '}')
	if open < 0 || strings.HasPrefix(line, "#") {
		return line
	}
	pairs := pair.FindAllString(line[open:end], -1)
	for i := range pairs { // few
		for j := range i {
			if pairs[i] < pairs[j] {
				pairs[i], pairs[j] = pairs[j], pairs[i]
			}
		}
	}
	return line[:open+1] + strings.Join(pairs, ",") + line[end:]
}

// TestSeriesAreStable: what has no labels, or labels known beforehand, is there
// before anything has happened, with every bucket.
func TestSeriesAreStable(t *testing.T) {
	_, before := serve(t, func() (*expertfs.Stats, error) { return new(expertfs.Stats), nil })
	_, after := serve(t, func() (*expertfs.Stats, error) { return figures(), nil })
	name := regexp.MustCompile(`(?m)^expertfs_\w+(\{(le|errno)="[^"]*"\})?`)
	passing := regexp.MustCompile(`expertfs_(shadow|reader|copy)_|ESTALE`)
	for _, series := range name.FindAllString(after, -1) {
		if !passing.MatchString(series) {
			require.Contains(t, before, series+" ", "or with labels: ")
		}
	}
	require.Equal(t, 26, strings.Count(before, "expertfs_load_seconds_bucket"))
}

func TestFiguresThatCannotBeRead(t *testing.T) {
	status, text := serve(t, func() (*expertfs.Stats, error) { return nil, errors.New("the mount is gone") })
	require.Equal(t, http.StatusInternalServerError, status)
	require.Contains(t, text, "the mount is gone")
}

func TestNamesAreAsPrometheusWantsThem(t *testing.T) {
	problems, err := testutil.CollectAndLint(NewCollector(func() (*expertfs.Stats, error) { return figures(), nil }))
	require.NoError(t, err)
	require.Empty(t, problems)

	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed: the control file is not given to it (apt-get install prometheus)")
	}
	var b bytes.Buffer
	Text(&b, figures())
	for _, text := range []string{b.String(), "# with comments\n" + b.String()} {
		cmd := exec.Command(promtool, "check", "metrics")
		cmd.Stdin = strings.NewReader(text)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		require.Empty(t, string(out))
	}
}

// TestMetricsAreDocumented: the table in the document is made from the list.
func TestMetricsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/METRICS.md")
	require.NoError(t, err)
	require.Contains(t, string(text), "\n"+Table()+"\n", "docs/METRICS.md must have this table:\n%s", Table())
}
