package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"expertfs"
	"expertfs/fsys/mountpoint"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// buildExpertfs builds the other program. The mount is the only thing between the
// two, so it is tested as a program.
func buildExpertfs(t *testing.T) string {
	t.Helper()
	if err := mountpoint.Possible(); err != nil {
		t.Skip("cannot mount here: ", err)
	}
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("cannot build expertfs: ", err)
	}
	path := filepath.Join(t.TempDir(), "expertfs")
	// A commit is not asked for: git refuses to read the tree of another user.
	out, err := exec.Command("go", "build", "-buildvcs=false", "-o", path, "expertfs/cmd/expertfs").CombinedOutput()
	require.NoError(t, err, string(out))
	return path
}

// mountTiny mounts the model that the project carries until the test ends.
func mountTiny(t *testing.T, program string, flags ...string) string {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.Command(program, append(append([]string{"mount"}, flags...), "embed:tiny", dir)...).CombinedOutput()
	require.NoError(t, err, string(out))
	t.Cleanup(func() {
		out, err := exec.Command(program, "umount", dir).CombinedOutput()
		require.NoError(t, err, string(out))
	})
	return dir
}

const someIDs = "1776 259 1836 1198 525 1754 281 259 1220 272 259 983 13 664 259 983 379 865 1652 11 272 1106 322 26"

// score returns the logits of every position as a file's bytes.
func score(t *testing.T, dir string, flags ...string) [sha256.Size]byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "logits.npy")
	_, _, err := runCommand(t, someIDs, append([]string{"score", "--model", dir, "--ids", "-", "--logits", path}, flags...)...)
	require.NoError(t, err)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return sha256.Sum256(data)
}

func TestOnMounts(t *testing.T) {
	program := buildExpertfs(t)
	t.Run("same logits", func(t *testing.T) { testSameLogits(t, program) })
	t.Run("uses", func(t *testing.T) { testUses(t, program) })
	t.Run("several readers", func(t *testing.T) { testSeveralReaders(t, program) })
	t.Run("server dies", func(t *testing.T) { testServerDies(t, program) })
	t.Run("server dies under commands", func(t *testing.T) { testServerDiesUnderCommands(t, program) })
}

// Logits are the same bytes on a mount of any budget and policy, with and
// without hints, and on a plain copy.
func testSameLogits(t *testing.T, program string) {
	want := score(t, tinyTree(t))
	for _, flags := range [][]string{
		{"--ram", "64MiB"},
		{"--ram", "400KiB", "--policy", "random"},
		{"--ram", "1MiB", "--policy", "lru"},
		{"--ram", "1MiB", "--no-passthrough"},
	} {
		t.Run(strings.Join(flags, " "), func(t *testing.T) {
			dir := mountTiny(t, program, flags...)
			require.Equal(t, want, score(t, dir))
			require.Equal(t, want, score(t, dir, "-b", "1", "--prefetch", "on", "-t", "1"))
			require.Equal(t, want, score(t, dir, "-b", "5", "--map-bytes", "0", "-t", "3"))
		})
	}
	t.Run("few descriptors", func(t *testing.T) {
		// All 128 experts stay mapped, which takes no descriptors.
		dir := mountTiny(t, program, "--ram", "64MiB")
		fds, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		var had unix.Rlimit
		require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &had))
		require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(len(fds)) + 40, Max: had.Max}))
		defer unix.Setrlimit(unix.RLIMIT_NOFILE, &had)
		require.Equal(t, want, score(t, dir))
	})
	t.Run("without a socket", func(t *testing.T) {
		t.Setenv("EXPERTFS_RUNTIME_DIR", "/proc/none")
		dir := mountTiny(t, program, "--ram", "1MiB", "--no-passthrough")
		require.Equal(t, want, score(t, dir))
		_, out, err := runCommand(t, someIDs, "run", "--model", dir, "--ids", "-", "--predict", "3")
		require.NoError(t, err)
		require.Contains(t, out, "the mount copies experts")
		require.Contains(t, out, "0 by the mount's socket")
	})
}

// The mount sees every use of an expert, opened or still mapped.
func testUses(t *testing.T, program string) {
	for _, flags := range [][]string{{"--ram", "64MiB"}, {"--ram", "1MiB"}, {"--ram", "1MiB", "--no-passthrough"}} {
		dir := mountTiny(t, program, flags...)
		before, err := readDriveStats(dir)
		require.NoError(t, err)
		out, _, err := runCommand(t, someIDs, "run", "--model", dir, "--ids", "-", "-n", "40", "--temp", "0", "--json")
		require.NoError(t, err)
		var figures timingFigures
		require.NoError(t, json.Unmarshal([]byte(out), &figures))
		after, err := readDriveStats(dir)
		require.NoError(t, err)
		stats, err := expertfs.ReadStats(dir)
		require.NoError(t, err)
		rounded := stats.Layers + 1 // by the socket, whatever the mechanism
		require.Equal(t, rounded, stats.Cache.RoundedFiles)
		require.Equal(t, rounded, stats.Cache.DenseFiles)
		used := after.sub(before)
		require.EqualValues(t, figures.ExpertsUsed, used.uses.Total(), "%v", flags)
	}
}

// Several processes at once on a mount without room for all experts: each has the
// logits that it has alone, none is refused, and the mount knows them apart. Idle
// ones that keep all they may are in nobody's way.
func testSeveralReaders(t *testing.T, program string) {
	gptoss := filepath.Join(t.TempDir(), "gptoss")
	out, err := exec.Command("go", "build", "-buildvcs=false", "-o", gptoss, "expertfs/cmd/gptoss").CombinedOutput()
	require.NoError(t, err, string(out))
	plain := tinyTree(t)
	dir := mountTiny(t, program, "--ram", "2MiB")

	var m modelFlags
	m.dir, m.mapBytes = dir, "auto"
	for range 2 { // they have computed and go on holding what they keep
		idle, err := m.open()
		require.NoError(t, err)
		defer idle.Close()
		require.NoError(t, idle.NewSession().Append(t.Context(), mustIDs(t, someIDs), nil))
	}
	const readers = 4
	var want, got [readers][sha256.Size]byte
	var failed [readers]error
	var all sync.WaitGroup
	for i := range readers {
		ids := strings.Fields(someIDs)
		ids = append(ids[i*4:], ids[:i*4]...)
		text, files := strings.Join(ids, " "), t.TempDir()
		score := func(dir, path string, flags ...string) ([sha256.Size]byte, error) {
			cmd := exec.Command(gptoss, append([]string{"score", "--model", dir, "--ids", "-", "--logits", path, "-b", "1"}, flags...)...)
			cmd.Stdin = strings.NewReader(text)
			if out, err := cmd.CombinedOutput(); err != nil {
				return [sha256.Size]byte{}, fmt.Errorf("%w: %s", err, out)
			}
			data, err := os.ReadFile(path)
			return sha256.Sum256(data), err
		}
		want[i], err = score(plain, filepath.Join(files, "alone.npy"))
		require.NoError(t, err)
		all.Go(func() { got[i], failed[i] = score(dir, filepath.Join(files, "together.npy")) })
	}
	all.Wait()
	for i := range readers {
		require.NoError(t, failed[i], "reader %d", i)
		require.Equal(t, want[i], got[i], "reader %d", i)
	}
	stats, err := expertfs.ReadStats(dir)
	require.NoError(t, err)
	require.Zero(t, stats.Cache.Busy, "no open was refused")
	require.Condition(t, func() bool {
		return slices.ContainsFunc(stats.Readers, func(r expertfs.ReaderStats) bool { return r.PID == os.Getpid() })
	}, "%+v", stats.Readers)
}

// A server that dies is an error, in the middle of a text as at its beginning. When
// the model is mounted again the text goes on.
func testServerDies(t *testing.T, program string) {
	for _, flags := range [][]string{
		{"--ram", "1MiB"},
		{"--ram", "64MiB", "--no-passthrough"},
		{"--ram", "1MiB", "--no-passthrough", "without a socket"},
	} {
		t.Run(strings.Join(flags, " "), func(t *testing.T) {
			if flags[len(flags)-1] == "without a socket" {
				t.Setenv("EXPERTFS_RUNTIME_DIR", "/proc/none")
				flags = flags[:len(flags)-1]
			}
			for _, dense := range []string{"int8", "bf16"} {
				testTextOutlivesServer(t, program, dense, flags)
			}
		})
	}
}

func testTextOutlivesServer(t *testing.T, program, dense string, flags []string) {
	dir := t.TempDir()
	umount := func() { _ = exec.Command(program, "umount", dir).Run() }
	t.Cleanup(umount)
	server := mountInFront(t, program, dir, flags)
	var m modelFlags
	m.dir, m.mapBytes, m.options.Dense = dir, "auto", dense
	e, err := m.open()
	require.NoError(t, err)
	defer e.Close()
	s, ids := e.NewSession(), mustIDs(t, someIDs)
	require.NoError(t, s.Append(t.Context(), ids, nil))
	require.NoError(t, server.Process.Kill())
	_ = server.Wait()
	// Experts that stayed mapped outlive the server; others can be had no more.
	for range 2 {
		err = s.Append(t.Context(), ids, nil)
		require.Error(t, err)
		require.Regexp(t, "transport endpoint is not connected|software caused connection abort|input/output error|cannot be read any more", err.Error())
		require.Equal(t, len(ids), s.Len())
	}
	_, err = m.open()
	require.Error(t, err)

	umount()
	server = mountInFront(t, program, dir, flags)
	require.NoError(t, s.Append(t.Context(), ids, nil))
	whole := e.NewSession()
	require.NoError(t, whole.Append(t.Context(), append(slices.Clone(ids), ids...), nil))
	require.Equal(t, whole.Logits(), s.Logits())
	stats, err := expertfs.ReadStats(dir)
	require.NoError(t, err)
	require.Positive(t, stats.Cache.Total(), "the new mount is told of uses")
	require.NoError(t, e.Close())
	umount()
	require.NoError(t, server.Wait())
}

// mountInFront mounts the embedded model by a server that is a child of ours.
func mountInFront(t *testing.T, program, dir string, flags []string) *exec.Cmd {
	t.Helper()
	server := exec.Command(program, append(append([]string{"mount", "-f"}, flags...), "embed:tiny", dir)...)
	ready, err := server.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, server.Start())
	line := make([]byte, 4096)
	n, err := ready.Read(line) // the mount point, when it serves
	require.NoError(t, err)
	require.True(t, bytes.Contains(line[:n], []byte(dir)))
	return server
}
