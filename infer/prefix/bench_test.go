package prefix

import (
	"context"
	"fmt"
	"io"
	"os"
	"testing"

	"expertfs/infer"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
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
// files, without a model: from the page cache, and from the drive. What the drive
// takes for the same bytes, read by as many threads and thrown away, stands beside it.
func BenchmarkLoad(b *testing.B) {
	for _, tokens := range []int{4000, 11000} {
		dir, shape := b.TempDir(), shape20b()
		open := func(ram int64) *Store {
			s, err := Open(Options{Shape: shape, Start: -1, Dir: dir, Disk: 1 << 40, RAM: ram})
			require.NoError(b, err)
			return s
		}
		s := open(1 << 40) // else what the drive is too slow for is not stored
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
					s := open(0)
					n, states := s.load(context.Background(), ids, tokens)
					require.Equal(b, tokens, n)
					require.NotEmpty(b, states)
					b.SetBytes(s.Stats().Read)
					require.NoError(b, s.Close(context.Background()))
				}
			})
		}
		b.Run(fmt.Sprintf("%d-drive-alone", tokens), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				forgetPages(b, s.dir)
				b.StartTimer()
				b.SetBytes(readAll(b, s.dir))
			}
		})
	}
}

// readAll reads the files of a folder, and returns how many bytes they have.
func readAll(b *testing.B, dir string) (bytes int64) {
	files, _, err := listKey(dir)
	require.NoError(b, err)
	var g errgroup.Group
	g.SetLimit(readers)
	for _, f := range files {
		bytes += f.size
		g.Go(func() error {
			file, err := os.Open(f.path)
			if err != nil {
				return err
			}
			defer file.Close()
			part := make([]byte, 1<<20) // as large as a layer's part of a segment
			for err == nil {
				_, err = file.Read(part)
			}
			if err == io.EOF {
				return nil
			}
			return err
		})
	}
	require.NoError(b, g.Wait())
	return bytes
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
