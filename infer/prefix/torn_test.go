package prefix

import (
	"bytes"
	"context"
	"encoding/binary"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestTornFiles damages files in every place and checks that what remains is used,
// that nothing wrong is, and that the damage is reported once.
func TestTornFiles(t *testing.T) {
	damages := map[string]func(data []byte) []byte{
		"empty":      func([]byte) []byte { return nil },
		"short":      func(d []byte) []byte { return d[:len(d)-1] },
		"long":       func(d []byte) []byte { return append(d, 0) },
		"half":       func(d []byte) []byte { return d[:len(d)/2] },
		"header":     func(d []byte) []byte { return d[:fixedHeader+2] },
		"not ours":   func(d []byte) []byte { return []byte("hello") },
		"version":    func(d []byte) []byte { d[8]++; return d },
		"lengths":    func(d []byte) []byte { d[72] = 200; return d },
		"key":        func(d []byte) []byte { d[16]++; return d },
		"tokens":     func(d []byte) []byte { d[fixedHeader]++; return d },
		"many":       func(d []byte) []byte { d[70] = 255; return d },
		"first byte": func(d []byte) []byte { d[len(d)-1000] ^= 1; return d },
		"last byte":  func(d []byte) []byte { d[len(d)-1] ^= 0x80; return d },
		"zeros":      func(d []byte) []byte { return make([]byte, len(d)) },
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			ids := count(0, 100)
			s := openStore(t, dir, nil)
			keep(s, ids, 30, 60, 90)
			require.NoError(t, s.Close(context.Background()))
			victim := files(t, dir)[1] // sorted by their ends
			data, err := os.ReadFile(victim)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(victim, damage(data), 0o600))

			var log strings.Builder
			s = openStore(t, dir, func(o *Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
			requireText(t, s, ids, 30)
			require.NoFileExists(t, victim)
			requireText(t, s, ids, 30)
			require.Equal(t, 1, strings.Count(log.String(), "of no use and is removed"), log.String())
			require.EqualValues(t, 1, s.Stats().Torn)
			keep(s, ids, 60)
			require.Eventually(t, func() bool { return s.Known(ids, 100) == 90 }, 5*time.Minute, time.Millisecond)
			requireText(t, s, ids, 90)
		})
	}
}

// A short file that says that it has a long header does not get its memory.
func TestHeaderThatIsNotThere(t *testing.T) {
	const tokens = 1 << 24
	b := (&header{to: tokens, sums: make([]uint32, 3)}).encode()
	binary.LittleEndian.PutUint32(b[12:], uint32(fixedHeader+4*tokens+4*3+4))
	b = append(b, make([]byte, 8192)...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := readHeader(bytes.NewReader(b), 3)
	runtime.ReadMemStats(&after)
	require.ErrorIs(t, err, errTorn)
	require.ErrorContains(t, err, "a part of the header")
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
}

func TestAbandonedFilesAreRemoved(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, nil)
	old, late, fresh := filepath.Join(s.dir, temporary+"a"), filepath.Join(s.dir, temporary+"b"), filepath.Join(s.dir, temporary+"c")
	for _, f := range []string{old, late, fresh} {
		require.NoError(t, os.WriteFile(f, []byte("x"), 0o600))
	}
	require.NoError(t, os.Chtimes(old, time.Time{}, time.Now().Add(-time.Hour)))
	require.NoError(t, os.Chtimes(late, time.Time{}, time.Now().Add(time.Hour))) // the clock was set back
	openStore(t, dir, nil)
	require.NoFileExists(t, old)
	require.NoFileExists(t, late)
	require.FileExists(t, fresh)
}

// TestNamedLikeASegment: what has the name of a segment and is none goes, and is told of.
// Segments stay, and what has another name.
func TestNamedLikeASegment(t *testing.T) {
	dir, ids := t.TempDir(), count(0, 20)
	s := openStore(t, dir, nil)
	keep(s, ids, 20)
	require.NoError(t, s.Close(context.Background()))
	file := files(t, dir)[0]
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	end, rest, _ := strings.Cut(filepath.Base(file), "-")
	for _, name := range []string{"copy.kv", "000021-" + rest, "20-" + rest, "+" + end[1:] + "-" + rest, end + "-" + strings.ToUpper(rest[:32]) + suffix, "notes.txt"} {
		require.NoError(t, os.WriteFile(filepath.Join(s.dir, name), whole, 0o600))
	}
	name := func(n byte) string { return filepath.Join(s.dir, fileName(&segment{to: 7, id: id{n}})) }
	require.NoError(t, os.Mkdir(name(1), 0o700))
	require.NoError(t, os.Symlink(file, name(2)))
	require.NoError(t, unix.Mkfifo(name(3), 0o600))

	var log strings.Builder
	s = openStore(t, dir, func(o *Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	requireText(t, s, ids, 20)
	require.Equal(t, []string{file}, files(t, dir))
	require.FileExists(t, filepath.Join(s.dir, "notes.txt"))
	require.EqualValues(t, 8, s.Stats().Torn)
	require.Equal(t, 8, strings.Count(log.String(), "of no use and is removed"), log.String())
	require.Zero(t, s.Known(count(500, 20), 20))
	require.Equal(t, 8, strings.Count(log.String(), "of no use"))
}

// TestEveryTornFile cuts a file at each of its lengths, and changes each of its
// bytes: it is of no use, it goes, and nothing of it is answered from.
func TestEveryTornFile(t *testing.T) {
	dir, ids := t.TempDir(), count(0, 3)
	s := openStore(t, dir, nil)
	keep(s, ids, 3)
	require.NoError(t, s.Close(context.Background()))
	file := files(t, dir)[0]
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	try := func(data []byte) {
		require.NoError(t, os.WriteFile(file, data, 0o600))
		s := openStore(t, dir, nil)
		requireText(t, s, ids, 0)
		require.EqualValues(t, 1, s.Stats().Torn)
		require.NoFileExists(t, file)
		require.NoError(t, s.Close(context.Background()))
	}
	for i := range whole {
		try(whole[:i])
		changed := bytes.Clone(whole)
		changed[i] ^= 1 << (i % 8)
		try(changed)
	}
	require.NoError(t, os.WriteFile(file, whole, 0o600))
	requireText(t, openStore(t, dir, nil), ids, 3)
}

// What a folder's key stands for is written again where it cannot be read.
func TestTornDescription(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		s := openStore(t, dir, nil)
		require.Equal(t, "test", readModel(s.dir).Name)
		require.NoError(t, os.WriteFile(filepath.Join(s.dir, modelFile), []byte("{"), 0o600))
		require.Equal(t, unknownModel, readModel(s.dir).Name)
	}
}
