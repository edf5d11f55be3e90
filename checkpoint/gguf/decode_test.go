package gguf

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDecodersAgainstGGML compares every bit of what gguf-py dequantised.
func TestDecodersAgainstGGML(t *testing.T) {
	text, err := os.ReadFile("testdata/dequantised.json")
	require.NoError(t, err)
	var vectors map[string]struct{ Blocks, Values string }
	require.NoError(t, json.Unmarshal(text, &vectors))
	require.Len(t, vectors, len(decoders))
	for k := range decoders {
		t.Run(k.String(), func(t *testing.T) {
			blocks, err := base64.StdEncoding.DecodeString(vectors[k.String()].Blocks)
			require.NoError(t, err)
			want, err := base64.StdEncoding.DecodeString(vectors[k.String()].Values)
			require.NoError(t, err)
			require.NotEmpty(t, want)
			got := make([]byte, len(want))
			decodeTransform(k).Apply([][]byte{got}, [][]byte{blocks})
			require.Equal(t, want, got)
		})
	}
}
