package server

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
)

// scrape is what Prometheus reads, but for what the library tells of Go and the
// process.
func scrape(t *testing.T, url string) (text string) {
	t.Helper()
	resp, err := http.Get(url + "/metrics")
	require.NoError(t, err)
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	for line := range strings.Lines(string(all)) {
		if regexp.MustCompile(`^(# \w+ )?(gptoss_|llamacpp:)`).MatchString(line) {
			text += line
		}
	}
	return text
}

// series are the names and labels of what was scraped.
func series(text string) []string {
	return regexp.MustCompile(`(?m)^[a-z].* `).FindAllString(text, -1)
}

// TestMetricsAreStable: every series is there before the first request, each bucket
// included, and llama-server's names tell the same.
func TestMetricsAreStable(t *testing.T) {
	server, s := start(t, &model{says: "<|channel|>final<|message|>One two<|return|>"})
	before := scrape(t, server.URL)
	chat(t, server, `"seed": 1`)
	after := scrape(t, server.URL)
	require.Equal(t, series(before), series(after))
	figure := func(name string) string {
		found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (.*)$`).FindStringSubmatch(after)
		require.NotNil(t, found, name)
		return found[1]
	}
	require.NotEqual(t, "0", figure("gptoss_generated_tokens_total"))
	for ours, theirs := range map[string]string{
		"gptoss_generated_tokens_total": "tokens_predicted_total", "gptoss_generated_seconds_total": "tokens_predicted_seconds_total",
		"gptoss_prompt_tokens_total": "prompt_tokens_total", "gptoss_prompt_seconds_total": "prompt_seconds_total",
		"gptoss_requests_running": "requests_processing", "gptoss_requests_waiting": "requests_deferred",
	} {
		require.Equal(t, figure(ours), figure("llamacpp:"+theirs))
	}
	require.NotEqual(t, "0", figure("llamacpp:predicted_tokens_seconds"))

	problems, err := testutil.GatherAndLint(s.meters.registry)
	require.NoError(t, err)
	for _, p := range problems {
		require.True(t, strings.HasPrefix(p.Metric, llamaPrefix) && strings.Contains(p.Text, "':'"), "%s: %s", p.Metric, p.Text)
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed: what Prometheus reads is not given to it (apt-get install prometheus)")
	}
	cmd := exec.Command(promtool, "check", "metrics")
	cmd.Stdin = strings.NewReader(regexp.MustCompile(`(?m)^.*llamacpp:.*\n`).ReplaceAllString(after, ""))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
}

// TestMetricsAreDocumented holds docs/METRICS.md to the names and their help.
func TestMetricsAreDocumented(t *testing.T) {
	server, _ := start(t, &model{})
	doc, err := os.ReadFile("../../docs/METRICS.md")
	require.NoError(t, err)
	for _, m := range regexp.MustCompile(`# HELP (\S+) (.*)`).FindAllStringSubmatch(scrape(t, server.URL), -1) {
		require.Regexp(t, `\| `+"`"+regexp.QuoteMeta(m[1])+"`"+` \|.*\| `+regexp.QuoteMeta(m[2])+` \|\n`, string(doc), "docs/METRICS.md lacks it")
	}
}
