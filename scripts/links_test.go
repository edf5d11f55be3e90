package scripts

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

var (
	link    = regexp.MustCompile(`\]\(([^)#\s]*)(?:#([^)\s]*))?`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
)

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
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			links++
			to := paper
			if m[1] != "" {
				to = filepath.Join(filepath.Dir(paper), m[1])
			}
			require.FileExists(t, to, "a link of %s", paper)
			if m[2] != "" {
				require.Contains(t, anchors(t, to), m[2], "a link of %s to %s", paper, to)
			}
		}
	}
	require.Greater(t, links, 30)
}

// anchors are the places in a paper that links may name, as hosts of code make them
// of its headings.
func anchors(t *testing.T, paper string) []string {
	text, err := os.ReadFile(paper)
	require.NoError(t, err)
	var all []string
	for _, m := range heading.FindAllStringSubmatch(string(text), -1) {
		all = append(all, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, m[1]))
	}
	return all
}
