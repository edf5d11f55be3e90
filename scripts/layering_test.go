package scripts

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// contract is the package that the mount and its readers have in common. Every
// part may import it; it imports nothing of ours, so it binds nobody to anything.
const contract = "expertfs"

// mayImport lists, for each part of the project, the parts of ours that it may
// use beside the contract. The mount, as the contract describes it, is the only
// thing between inference and the cache.
var mayImport = map[string][]string{
	contract:       {}, // and nothing else either but the standard library
	"checkpoint":   {"checkpoint"},
	"policy":       {"policy"},
	"tiers":        {"tiers", "checkpoint", "policy"},
	"fsys":         {"fsys", "tiers", "checkpoint", "policy"},
	"infer":        {"infer", "checkpoint/config", "checkpoint/safetensors", "checkpoint/mxfp4", "checkpoint/q8"},
	"cmd/expertfs": {"cmd/expertfs", "cmd/internal", "checkpoint", "policy", "tiers", "fsys"},
	"cmd/gptoss":   {"cmd/gptoss", "cmd/internal", "infer"},
	"cmd/internal": {"cmd/internal"}, // what any program with commands needs
	"scripts":      {},

	// What measures runs the programs, and imports nothing of them.
	"scripts/records": {"scripts/records"},
	// Its files have weights that are drawn as those of other synthetic ones.
	"scripts/records/gguf": {"checkpoint/config", "checkpoint/synth"},

	// What fetches experts knows files and no arithmetic.
	"infer/experts": {"infer/experts", "infer/mapped"},
	"infer/mapped":  {"infer/mapped"},
}

func TestImportsFollowTheArchitecture(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "expertfs/...").Output()
	require.NoError(t, err)
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		pkg := inside(fields[0])
		allowed, ok := mayImport[owner(pkg)]
		require.True(t, ok, "%s belongs to no part of the project", pkg)
		for _, imported := range fields[1:] {
			host, _, _ := strings.Cut(imported, "/")
			if pkg == contract && strings.Contains(host, ".") {
				t.Errorf("%s imports %s; it may use the standard library only", pkg, imported)
			}
			if !isOurs(imported) || imported == contract {
				continue
			}
			if !within(inside(imported), allowed) {
				t.Errorf("%s imports %s; it may use %v only", pkg, imported, allowed)
			}
		}
	}
}

// isOurs tells whether a package is of this module.
func isOurs(path string) bool { return path == contract || strings.HasPrefix(path, contract+"/") }

// inside is a package's path within the module; that of the contract is its own.
func inside(path string) string { return strings.TrimPrefix(path, contract+"/") }

// owner returns the key of mayImport that pkg lies under, the longest of several.
func owner(pkg string) string {
	longest := ""
	for part := range mayImport {
		if within(pkg, []string{part}) && len(part) > len(longest) {
			longest = part
		}
	}
	return longest
}

func within(pkg string, parts []string) bool {
	for _, part := range parts {
		if pkg == part || strings.HasPrefix(pkg, part+"/") {
			return true
		}
	}
	return false
}
