package checkpoint

import (
	"context"
	"fmt"
	"testing"

	"expertfs"
	"expertfs/checkpoint/layout"

	"github.com/stretchr/testify/require"
)

func TestCheckScales(t *testing.T) {
	f := sample(t, layout.OpenAI, 1)
	c, err := f.open()
	require.NoError(t, err)
	var read int64
	require.NoError(t, c.CheckScales(t.Context(), func(n int) { read += int64(n) }))
	require.Equal(t, c.ScaleBytes(), read)
	require.EqualValues(t, 2*3*(64*2+64), read) // layers, experts, rows and blocks of both matrices

	at := c.Expert(expertfs.NewKey(1, 2)).Extents()[3].Off // the scales of the last expert's second matrix
	f[weights][at+5], f[weights][at+6] = 255, 255
	c, err = f.open()
	require.NoError(t, err) // headers say nothing of it
	err = c.CheckScales(t.Context(), nil)
	var list *ProblemsError
	require.ErrorAs(t, err, &list)
	require.Len(t, list.Problems, 1)
	for _, want := range []string{"model.safetensors", "layer 1 expert 2 has a scale of 255", "mlp2_weight.scales", fmt.Sprint(at + 5)} {
		require.ErrorContains(t, err, want)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, c.CheckScales(ctx, nil), context.Canceled)
}
