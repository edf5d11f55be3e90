package fsys

import (
	"testing"

	"expertfs"

	"github.com/stretchr/testify/require"
)

func TestNodeIDs(t *testing.T) {
	k := expertfs.Key{Layer: 65535, Expert: 65534}
	id := expertID(k)
	require.Equal(t, kindExpert, id.kind())
	require.Equal(t, k, id.key())
	require.Equal(t, kindRoot, rootID.kind())
	require.Equal(t, nodeID(1), newID(kindRoot, 0, 1))
}
