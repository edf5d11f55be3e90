package scripts

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTestsThatAreLeftOutExist: a test that make leaves out of some ways of running the
// tests is one that there is, or its new name would not be left out.
func TestTestsThatAreLeftOutExist(t *testing.T) {
	makefile, err := os.ReadFile("../Makefile")
	require.NoError(t, err)
	all, err := exec.Command("grep", "-rhoE", "--include=*_test.go", `^func Test[A-Za-z0-9_]+\(`, "..").Output()
	require.NoError(t, err)
	lists := regexp.MustCompile(`(?m)^(ALONE|ONCE) := ((?:.*\\\n)*.*)$`).FindAllStringSubmatch(string(makefile), -1)
	require.Len(t, lists, 2)
	for _, list := range lists {
		names := regexp.MustCompile(`\bTest\w+`).FindAllString(list[2], -1)
		require.NotEmpty(t, names, list[1])
		for _, name := range names {
			require.True(t, strings.Contains(string(all), "func "+name+"("), "%s of %s in Makefile", name, list[1])
		}
	}
}
