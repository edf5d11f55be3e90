package scripts

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// mayImport lists, for each part of the project, the parts of ours that it may
// use. The mount is the only thing between inference and the cache.
var mayImport = map[string][]string{
	"checkpoint":   {"checkpoint"},
	"policy":       {"policy"},
	"tiers":        {"tiers", "checkpoint", "policy"},
	"fsys":         {"fsys", "tiers", "checkpoint", "policy"},
	"infer":        {"infer", "checkpoint/config", "checkpoint/safetensors", "checkpoint/mxfp4"},
	"cmd/expertfs": {"cmd/expertfs", "checkpoint", "policy", "tiers", "fsys"},
	"cmd/gptoss":   {"cmd/gptoss", "infer"},
	"scripts":      {},
}

func TestImportsFollowTheArchitecture(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "expertfs/...").Output()
	require.NoError(t, err)
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		pkg := strings.TrimPrefix(fields[0], "expertfs/")
		allowed, ok := mayImport[owner(pkg)]
		require.True(t, ok, "%s belongs to no part of the project", pkg)
		for _, imported := range fields[1:] {
			ours, isOurs := strings.CutPrefix(imported, "expertfs/")
			if isOurs && !within(ours, allowed) {
				t.Errorf("%s imports %s; it may use %v only", pkg, ours, allowed)
			}
		}
	}
}

// owner returns the key of mayImport that pkg lies under.
func owner(pkg string) string {
	for part := range mayImport {
		if pkg == part || strings.HasPrefix(pkg, part+"/") {
			return part
		}
	}
	return ""
}

func within(pkg string, parts []string) bool {
	for _, part := range parts {
		if pkg == part || strings.HasPrefix(pkg, part+"/") {
			return true
		}
	}
	return false
}
