package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPack(t *testing.T) {
	packed, err := pack([]byte("YQ== 0\nYmM= 1\n8J+Zgg== 2\n"))
	require.NoError(t, err)
	r, err := gzip.NewReader(bytes.NewReader(packed))
	require.NoError(t, err)
	got, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, "\x01\x02\x04abc🙂", string(got))
}

func TestPackErrors(t *testing.T) {
	for _, source := range []string{"YQ==\n", "YQ== x\n", "? 0\n", "YQ== 1\n", "YQ== 0\nYg== 0\n"} {
		_, err := pack([]byte(source))
		require.ErrorContains(t, err, "line ", source)
	}
}

func TestOtherSourcesAreRefused(t *testing.T) {
	in := filepath.Join(t.TempDir(), "in")
	require.NoError(t, os.WriteFile(in, []byte("YQ== 0\n"), 0o600))
	out := filepath.Join(t.TempDir(), "out")
	require.ErrorContains(t, run(in, out), "SHA-256")
	require.NoFileExists(t, out)
}
