package nvme

import (
	"bytes"
	"os"
	"testing"
	"time"

	"expertfs"
	"expertfs/checkpoint/source"

	"github.com/stretchr/testify/require"
)

func TestReadsFailWhenTheFileChanges(t *testing.T) {
	for name, c := range map[string]struct {
		change func(t *testing.T, path string)
		err    string
	}{
		"truncated": {func(t *testing.T, path string) { require.NoError(t, os.Truncate(path, 5000)) }, "unexpected EOF"},
		"replaced": {func(t *testing.T, path string) {
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path+".new", data, 0o600))
			require.NoError(t, os.Rename(path+".new", path))
		}, "replaced"},
		"rewritten": {func(t *testing.T, path string) { // in place, from the middle on
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			require.NoError(t, err)
			_, err = f.WriteAt(bytes.Repeat([]byte{7}, len(data)/2), int64(len(data)/2))
			require.NoError(t, err)
			require.NoError(t, f.Close())
		}, "modified"},
		"removed": {func(t *testing.T, path string) { require.NoError(t, os.Remove(path)) }, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			ck := onDisk(t)
			r := openReader(t, ck, Options{})
			c.change(t, source.Path(ck.Files()[0]))
			j := start(ck, r, 5, Demand)
			<-j.Done()
			require.ErrorContains(t, j.Err(), c.err)
			require.ErrorContains(t, j.Err(), "model.safetensors")
		})
	}
}

// A time of modification alone is no other content.
func TestATouchedFileIsStillRead(t *testing.T) {
	ck := onDisk(t)
	r := openReader(t, ck, Options{})
	for i, day := range []int64{1, 2, 2} {
		require.NoError(t, os.Chtimes(source.Path(ck.Files()[0]), time.Time{}, time.Unix(day, 0)))
		v := ck.Expert(expertfs.NewKey(0, i))
		got := make([]byte, v.Size())
		j := r.Start(v, got, 0)
		<-j.Done()
		require.NoError(t, j.Err())
		require.True(t, bytes.Equal(bytesOf(t, ck, v), got))
	}
}

func TestAReplacedFileIsNotOpened(t *testing.T) {
	ck := onDisk(t)
	require.NoError(t, os.Truncate(source.Path(ck.Files()[0]), 5000))
	_, err := Open(ck.Files(), Options{})
	require.ErrorContains(t, err, "model.safetensors")
}
