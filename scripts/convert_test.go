package scripts

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"expertfs"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// convert runs a converter on a file with the given text and loads the result.
func convert(t *testing.T, text, script string, args ...string) (string, []expertfs.TraceStep, expertfs.TraceMeta) {
	t.Helper()
	out, err := runConverter(t, text, script, args...)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "out.csv")
	require.NoError(t, os.WriteFile(path, []byte(out), 0o644))
	steps, meta, err := expertfs.LoadTraces(path)
	require.NoError(t, err)
	return withoutComments(out), steps, meta
}

func runConverter(t *testing.T, text, script string, args ...string) (string, error) {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	in := filepath.Join(t.TempDir(), "in")
	require.NoError(t, os.WriteFile(in, []byte(text), 0o644))
	cmd := exec.Command(python, append(append([]string{script}, args...), in)...)
	var out, errors strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errors
	err = cmd.Run()
	if err != nil {
		return errors.String(), err
	}
	return out.String(), nil
}

func withoutComments(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

const routeTrace = `# route_trace v1
# model=/m/gpt-oss-120b.gguf arch=gpt-oss n_layer=2 n_expert=128 n_expert_used=2
# layer=0 expert_bytes=13219200 dense_bytes=23280128
turn,phase,step,layer,slot,expert,weight,residency,expert_bytes,dropped
0,0,0,0,0,83,0.54,0,0,0
0,0,0,0,1,14,0.45,0,0,0
0,0,1,0,0,14,0.62,0,0,0
0,0,1,0,1,108,0.37,0,0,0
0,0,0,1,0,5,0.5,0,0,0
0,0,0,1,1,6,0.5,0,0,0
0,0,1,1,0,5,0.5,0,0,0
0,0,1,1,1,7,0.5,0,0,0
0,1,2,0,0,1,nan,1,0,0
0,1,2,0,1,2,nan,1,0,0
0,1,2,1,0,3,nan,0,13219200,0
0,1,2,1,1,4,nan,0,13219200,0
0,1,3,0,0,2,nan,1,0,0
0,1,3,0,1,1,nan,1,0,0
`

func TestConvertBigMoe(t *testing.T) {
	lines, steps, meta := convert(t, routeTrace, "convert-bigmoe.py")
	assert.Equal(t, "0,0,83,14,108\n0,1,5,6,7\n2,0,1,2\n2,1,3,4\n3,0,2,1\n", lines)
	assert.Equal(t, expertfs.TraceMeta{Layers: 2, Experts: 128, TopK: 2, ExpertBytes: 13219200}, meta)
	assert.EqualValues(t, 2, steps[len(steps)-1].Token)

	lines, _, _ = convert(t, routeTrace, "convert-bigmoe.py", "--decode-only")
	assert.Equal(t, "2,0,1,2\n2,1,3,4\n3,0,2,1\n", lines)

	out, err := runConverter(t, "0,1,2\n", "convert-bigmoe.py")
	assert.Error(t, err)
	assert.Contains(t, out, "line 1: not a row")
}

func TestConvertFingerprint(t *testing.T) {
	const example = `{"row_index": 1, "router_data": [
		{"token_7": {"layer_1": {"selected_experts": [3, 0]}, "layer_0": {"selected_experts": [9, 8]}}},
		{"token_10": {"layer_0": {"selected_experts": [1, 2], "selected_probs": [0.6, 0.4]}}}]}`
	const want = "7,0,9,8\n7,1,3,0\n10,0,1,2\n"
	lines, _, meta := convert(t, example, "convert-fingerprint.py")
	assert.Equal(t, want, lines)
	assert.Equal(t, expertfs.TraceMeta{Layers: 2, TopK: 2}, meta)

	lines, steps, _ := convert(t, "["+example+","+example+"]", "convert-fingerprint.py")
	assert.Equal(t, want+want, lines)
	assert.EqualValues(t, 3, steps[len(steps)-1].Token)

	out, err := runConverter(t, `{"row_index": 1}`, "convert-fingerprint.py")
	assert.Error(t, err)
	assert.Contains(t, out, "no routing as expected")
}
