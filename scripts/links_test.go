package scripts

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var link = regexp.MustCompile(`\]\(([^)#\s]+)`)

// others tells whether a paper is of a project that this one uses and keeps a copy of:
// its modules beside the tree, or npm's.
func others(paper string) bool {
	return strings.Contains(paper, "/vendor/") || strings.Contains(paper, "/node_modules/")
}

// TestLinks: what the papers link to in this tree is there.
func TestLinks(t *testing.T) { checkLinks(t, "..") }

// checkLinks follows the links of all papers below root, which stay below it.
func checkLinks(t *testing.T, root string) {
	t.Helper()
	var papers []string
	for _, pattern := range []string{"*.md", "*/*.md", "*/*/*.md", "*/*/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		require.NoError(t, err)
		papers = append(papers, found...)
	}
	links := 0
	for _, paper := range papers {
		if others(paper) {
			continue
		}
		text, err := os.ReadFile(paper)
		require.NoError(t, err)
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if !strings.Contains(m[1], "://") && !strings.HasPrefix(m[1], "mailto:") {
				links++
				require.FileExists(t, filepath.Join(filepath.Dir(paper), m[1]), "a link of %s", paper)
			}
		}
	}
	require.Greater(t, links, 30)
}
