package fsys

import (
	"testing"

	"expertfs/policy"

	"github.com/stretchr/testify/require"
)

func TestParseHints(t *testing.T) {
	n := newNames(36, 128)
	got, err := n.parseHints("touch 07/003 35/127\n\n  # comment\n\tprefetch  8/11\nstep 7 3 011\nstep 07/003 7/12\n")
	require.NoError(t, err)
	require.Equal(t, []hint{
		{verb: "touch", keys: []policy.Key{{Layer: 7, Expert: 3}, {Layer: 35, Expert: 127}}},
		{verb: "prefetch", keys: []policy.Key{{Layer: 8, Expert: 11}}},
		{verb: "step", layer: 7, keys: []policy.Key{{Layer: 7, Expert: 3}, {Layer: 7, Expert: 11}}},
		{verb: "step", layer: 7, keys: []policy.Key{{Layer: 7, Expert: 3}, {Layer: 7, Expert: 12}}},
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
		"step 7/1 8/1":       "layers 7 and 8",
		"touch 1/1\ntouch 1": "line 2",
	} {
		_, err := n.parseHints(text)
		require.ErrorContains(t, err, reason, text)
	}
}

func TestNames(t *testing.T) {
	n := newNames(101, 5)
	require.Equal(t, "007", n.layer(7))
	require.Equal(t, "03.safetensors", n.expert(3))
	require.Equal(t, "007-03.safetensors", n.resident(policy.Key{Layer: 7, Expert: 3}))
	for l := range 101 {
		got, ok := n.parseLayer(n.layer(l))
		require.True(t, ok)
		require.Equal(t, l, got)
	}
	_, ok := n.parseLayer("101")
	require.False(t, ok)
	_, ok = n.parseExpert("05.safetensors")
	require.False(t, ok)
}

func TestNodeIDs(t *testing.T) {
	k := policy.Key{Layer: 65535, Expert: 65534}
	id := expertID(k)
	require.Equal(t, kindExpert, id.kind())
	require.Equal(t, k, id.key())
	require.Equal(t, kindRoot, rootID.kind())
	require.Equal(t, nodeID(1), newID(kindRoot, 0, 1))
}
