package fsys

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLabelsAreWrittenAsPrometheusReadsThem(t *testing.T) {
	require.Equal(t, `{a="b"}`, labels("a", "b"))
	require.Equal(t, "{name=\"say \\\"é\\\" \\\\ \\n\x1b ?\",pid=\"7\"}", labels("name", "say \"é\" \\ \n\x1b \xff", "pid", "7"))
}
