package metrics

import (
	"encoding/json"
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDashboardAsksForWhatIsThere: each name in the dashboard is one of the list.
func TestDashboardAsksForWhatIsThere(t *testing.T) {
	text, err := os.ReadFile("../../docs/grafana/expertfs.json")
	require.NoError(t, err)
	var d struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	require.NoError(t, json.Unmarshal(text, &d))
	require.NotEmpty(t, d.Panels)
	known := map[string]bool{latencyName + "_bucket": true}
	for _, m := range all {
		known[prefix+m.name] = true
	}
	names := regexp.MustCompile(prefix + `\w+`)
	for _, p := range d.Panels {
		require.NotEmpty(t, p.Targets, p.Title)
		for _, target := range p.Targets {
			found := names.FindAllString(target.Expr, -1)
			require.NotEmpty(t, found, p.Title)
			for _, name := range found {
				require.True(t, known[name], "%s: %s", p.Title, name)
			}
		}
	}
}
