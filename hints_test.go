package expertfs_test

import (
	"slices"
	"strings"
	"testing"

	"expertfs"

	"github.com/stretchr/testify/require"
)

func TestParseHints(t *testing.T) {
	n := expertfs.Names{Layers: 36, Experts: 128}
	got, err := n.ParseHints("touch 07/003 35/127\n\n  # comment\n\tprefetch  8/11\nstep 7 3 011\nstep 07/003 7/12\n")
	require.NoError(t, err)
	require.Equal(t, []expertfs.Hint{
		{Verb: expertfs.Touch, Keys: []expertfs.Key{{Layer: 7, Expert: 3}, {Layer: 35, Expert: 127}}},
		{Verb: expertfs.Prefetch, Keys: []expertfs.Key{{Layer: 8, Expert: 11}}},
		{Verb: expertfs.Step, Keys: []expertfs.Key{{Layer: 7, Expert: 3}, {Layer: 7, Expert: 11}}},
		{Verb: expertfs.Step, Keys: []expertfs.Key{{Layer: 7, Expert: 3}, {Layer: 7, Expert: 12}}},
	}, got)
	for text, reason := range map[string]string{
		"use 7/3":            "want touch, prefetch or step",
		"touch":              "names no expert",
		"step":               "names no expert",
		"step 7":             "names no expert",
		"touch 7":            "want LAYER/EXPERT",
		"touch 7/3/1":        "want a number",
		"touch 36/0":         `layer "36"`,
		"touch 0/128":        `expert "128"`,
		"touch -1/0":         `layer "-1"`,
		"touch 0/65536":      `expert "65536"`,
		"touch 0/0x1":        `expert "0x1"`,
		"step 36 1":          `layer "36"`,
		"step 7 1 x":         `expert "x"`,
		"step 7 1/2":         `expert "1/2"`,
		"step 7/1 8/1":       "layers 7 and 8",
		"touch 1/1\ntouch 1": "line 2",
		"step 7 3 4 03":      "line 1: step: layer 7 expert 3 is named twice",
		"touch 7/3 8/3 07/3": "touch: layer 7 expert 3 is named twice",

		"# " + strings.Repeat("x", expertfs.MaxHintLine):        "line 1: 65538 bytes, where 65536 are allowed",
		"\nstep 7" + strings.Repeat(" 1", expertfs.MaxHintLine): "line 2: 131078 bytes",
		strings.Repeat("x", 1000):                               "want touch",
		"touch " + strings.Repeat("9", 1000) + "/1":             "want a number",
		"touch " + strings.Repeat("9", 1000):                    "want LAYER/EXPERT",
	} {
		_, err := n.ParseHints(text)
		require.ErrorContains(t, err, reason, text)
		require.Less(t, len(err.Error()), 200)
	}
}

func TestHintsAreSpelledAsPathsAre(t *testing.T) {
	n := expertfs.Names{Layers: 2, Experts: 101}
	line := n.AppendHint([]byte("# "), expertfs.Prefetch, expertfs.NewKey(1, 100), expertfs.NewKey(0, 3))
	require.Equal(t, "# prefetch 01/100 00/003\n", string(line))
	require.Empty(t, n.AppendHint(nil, expertfs.Step))
}

// FuzzHints: whatever is read is within the model, and is read again as the same
// when it is written.
func FuzzHints(f *testing.F) {
	f.Add(uint16(36), uint16(128), "touch 07/003 35/127\n# c\n\nprefetch 8/11\nstep 7 3 011\nstep 7/3 07/12")
	f.Add(uint16(1), uint16(1), "step 0 0")
	f.Add(uint16(300), uint16(9), strings.Repeat("touch 299/8\n", 3))
	f.Fuzz(func(t *testing.T, layers, experts uint16, text string) {
		n := expertfs.Names{Layers: 1 + int(layers), Experts: 1 + int(experts)}
		hints, err := n.ParseHints(text)
		if err != nil {
			require.Empty(t, hints)
			require.Contains(t, err.Error(), "line ")
			return
		}
		var again []byte
		for _, h := range hints {
			require.NotEmpty(t, h.Keys)
			for _, k := range h.Keys {
				require.True(t, expertfs.Shape{Layers: n.Layers, Experts: n.Experts}.Contains(k))
			}
			if h.Verb == expertfs.Step {
				require.False(t, slices.ContainsFunc(h.Keys, func(k expertfs.Key) bool { return k.Layer != h.Keys[0].Layer }))
			}
			again = n.AppendHint(again, h.Verb, h.Keys...)
		}
		back, err := n.ParseHints(string(again))
		require.NoError(t, err)
		require.Equal(t, hints, back)
	})
}
