package prefix

import (
	"context"
	"fmt"
	"os"
	"testing"

	"expertfs/infer"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// shape20b is that of gpt-oss-20b.
func shape20b() *infer.Shape {
	s := &infer.Shape{Window: 128, Heads: 8, HeadDim: 64, KV: infer.KVBF16}
	for n := range 24 {
		s.Sliding = append(s.Sliding, n%2 == 0)
	}
	return s
}

// BenchmarkLoad measures how long a prefix of gpt-oss-20b takes to come from its
// files: from the page cache, and from the drive.
func BenchmarkLoad(b *testing.B) {
	for _, tokens := range []int{4000, 11000} {
		dir, shape := b.TempDir(), shape20b()
		open := func() *Store {
			s, err := Open(Options{Shape: shape, Start: -1, Dir: dir, Disk: 1 << 40})
			require.NoError(b, err)
			return s
		}
		s := open()
		ids := count(0, tokens)
		fill := byte(0)
		for end := interval; end < tokens+interval; end += interval {
			s.keep(ids[:min(end, tokens)], func(from, to int) *infer.State {
				st := shape.NewState(from, to)
				for _, part := range st.Parts() {
					for _, piece := range part {
						fill++
						for i := range piece {
							piece[i] = fill + byte(i)
						}
					}
				}
				return st
			})
		}
		require.NoError(b, s.Close(context.Background()))
		require.Zero(b, s.Stats().Dropped)
		for _, from := range []string{"cache", "drive"} {
			b.Run(fmt.Sprintf("%d-%s", tokens, from), func(b *testing.B) {
				for b.Loop() {
					b.StopTimer()
					if from == "drive" {
						forgetPages(b, s.dir)
					}
					b.StartTimer()
					s := open()
					n, states := s.load(context.Background(), ids, tokens)
					require.Equal(b, tokens, n)
					require.NotEmpty(b, states)
					b.SetBytes(s.Stats().Read)
					require.NoError(b, s.Close(context.Background()))
				}
			})
		}
	}
}

// forgetPages takes the files of a folder out of the page cache.
func forgetPages(b *testing.B, dir string) {
	files, _, err := listKey(dir)
	require.NoError(b, err)
	for _, f := range files {
		file, err := os.Open(f.path)
		require.NoError(b, err)
		require.NoError(b, unix.Fsync(int(file.Fd())))
		require.NoError(b, unix.Fadvise(int(file.Fd()), 0, 0, unix.FADV_DONTNEED))
		require.NoError(b, file.Close())
	}
}
