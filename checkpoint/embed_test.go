package checkpoint

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEmbeddedTinyModel(t *testing.T) {
	c := openOK(t, "embed:tiny")
	require.Equal(t, "embed:tiny", c.Name())
	require.Equal(t, 4, c.Config().Layers)
	require.Equal(t, 32, c.Config().Experts)
	require.False(t, c.ModTime().IsZero())
	var small []string
	for _, f := range c.Small() {
		small = append(small, f.Name())
	}
	require.Equal(t, []string{"config.json", "generation_config.json", "tokenizer.json"}, small)
	require.Len(t, c.Files(), 1)
	require.Empty(t, c.Files()[0].Path())
	require.NoError(t, c.Files()[0].Check())
	require.EqualValues(t, ViewAlign+29376+768, c.ExpertSize())
	for path, view := range views(t, c) {
		require.NotEmpty(t, view, path)
	}
}
