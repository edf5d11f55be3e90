package fsys_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"expertfs"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// write writes to a control file as `echo TEXT > FILE` does.
func (s *server) write(name, text string) error {
	f, err := os.OpenFile(s.control(name), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

func (s *server) read(name string) string {
	s.t.Helper()
	text, err := os.ReadFile(s.control(name))
	require.NoError(s.t, err)
	return string(text)
}

func TestPolicyFile(t *testing.T) {
	s := mount(t, serverConfig{})
	_, err := os.ReadFile(s.expert(0, 1))
	require.NoError(t, err)
	before := s.read("policy")
	require.NoError(t, s.write("policy", before), "what it shows is what it reads")
	for _, bad := range []string{"\n", "no-such-policy", "lru lru", "lru:no-such-parameter=1"} {
		require.ErrorIs(t, s.write("policy", bad), unix.EINVAL, "%q", bad)
	}
	require.Equal(t, before, s.read("policy"))
	require.Regexp(t, `^# last refused: policy: .*no-such-parameter.* \(\d{4}-\S+Z\)\n`, s.read("stats"))
	require.Equal(t, "policy", s.report().LastRefused.File)
	require.NoError(t, s.write("policy", "lru\n"))
	require.Equal(t, "lru\n", s.read("policy"))
	require.Equal(t, 1, s.report().Cache.Resident, "residents survive a change of policy")

	out, err := exec.Command("sh", "-c", `echo lru > "$0" && cat "$0"`, s.control("policy")).CombinedOutput()
	require.NoError(t, err, string(out))
	require.Equal(t, "lru\n", string(out))
}

func TestRAMFile(t *testing.T) {
	s := mount(t, serverConfig{})
	for _, c := range []struct {
		text string
		want int64
	}{{"1MiB\n", 1 << 20}, {"2097152", 2 << 20}, {"3 MiB", 3 << 20}} {
		require.NoError(t, s.write("ram", c.text))
		require.Equal(t, c.want, s.report().Cache.Budget)
		require.NoError(t, s.write("ram", s.read("ram")))
		require.Equal(t, c.want, s.report().Cache.Budget)
	}
	for _, bad := range []string{"much", "-1", "0", "1KiB", "200%"} {
		require.ErrorIs(t, s.write("ram", bad), unix.EINVAL, bad)
	}
	require.Equal(t, int64(3<<20), s.report().Cache.Budget)
	require.NoError(t, s.write("ram", "1%"))
	require.Positive(t, s.report().Cache.Budget)
}

// TestShrinkUnderReaders makes the budget smaller than what readers hold.
func TestShrinkUnderReaders(t *testing.T) {
	m := openModel(t, "embed:tiny")
	s := mount(t, serverConfig{})
	var open []*os.File
	for e := range 16 {
		f, err := os.Open(s.expert(0, e))
		require.NoError(t, err)
		defer f.Close()
		open = append(open, f)
	}
	require.NoError(t, s.write("ram", "256KiB")) // 7 experts
	for _, f := range open {
		name := strings.TrimPrefix(f.Name(), s.point+"/")
		got := make([]byte, len(m.files[name]))
		_, err := f.ReadAt(got, 0)
		require.NoError(t, err)
		require.Equal(t, m.files[name], got)
		require.NoError(t, f.Close())
	}
	require.Eventually(t, func() bool { return s.report().Cache.Used <= 256<<10 }, patience, 10*time.Millisecond)
	require.NoError(t, m.compare(s, ways, 2, 1, func() error { return nil }))
}

func TestHintsFile(t *testing.T) {
	s := mount(t, serverConfig{})
	require.NoError(t, s.write("hints", "prefetch 00/03 1/4\n# a comment\n\nstep 2 5 6\ntouch 0/3\nstep 03/01"))
	require.Eventually(t, func() bool { return s.report().Cache.Resident == 5 }, patience, 10*time.Millisecond)
	asked := s.report().Cache.Prefetch.Asked
	require.Equal(t, int64(2), asked)
	require.NoError(t, s.write("hints", "touch 0/3 1/4 1/5\n"))
	require.Equal(t, "1", s.xattr(0, 3, "hits"))
	asked = s.report().Cache.Prefetch.Asked // the policy's own wishes included

	// Nothing of a text with a bad line is carried out.
	for _, bad := range []string{"prefetch 2/1\nnonsense 2/2", "prefetch 2/1\nprefetch 2/32"} {
		require.ErrorIs(t, s.write("hints", bad), unix.EINVAL, bad)
	}
	require.Contains(t, s.read("stats"), "# last refused: hints: line 2: ")
	require.Equal(t, asked, s.report().Cache.Prefetch.Asked)
	// The server does work for each expert that a line names while opens wait.
	for _, bad := range []string{"step 2 1 1", "step 2" + strings.Repeat(" 1", 500_000)} {
		require.ErrorIs(t, s.write("hints", bad), unix.EINVAL, bad[:10])
	}
	require.Contains(t, s.read("stats"), "# last refused: hints: line 1: 1000006 bytes")
	_, err := os.ReadFile(s.control("hints"))
	require.ErrorIs(t, err, unix.EACCES)
}

func (s *server) xattr(layer, expert int, name string) string {
	s.t.Helper()
	buf := make([]byte, 100)
	n, err := unix.Getxattr(s.expert(layer, expert), "user.expertfs."+name, buf)
	require.NoError(s.t, err)
	return string(buf[:n])
}

func TestXattrs(t *testing.T) {
	s := mount(t, serverConfig{})
	require.Equal(t, "nvme", s.xattr(2, 9, "tier"))
	require.Equal(t, "never", s.xattr(2, 9, "last_access"))
	began := time.Now()
	for range 3 {
		_, err := os.ReadFile(s.expert(2, 9))
		require.NoError(t, err)
	}
	require.Equal(t, "ram", s.xattr(2, 9, "tier"))
	require.Equal(t, "2", s.xattr(2, 9, "hits"))
	require.Equal(t, "1", s.xattr(2, 9, "loads"))
	last, err := time.Parse(time.RFC3339Nano, s.xattr(2, 9, "last_access"))
	require.NoError(t, err)
	require.False(t, last.Before(began.Truncate(time.Microsecond)) || last.After(time.Now()))

	buf := make([]byte, 200)
	n, err := unix.Listxattr(s.expert(2, 9), buf)
	require.NoError(t, err)
	require.Zero(t, n, "what is listed is copied by cp -a and rsync -X")
	n, err = unix.Getxattr(s.expert(2, 9), "user.expertfs.tier", nil)
	require.NoError(t, err)
	require.Equal(t, 3, n)
	_, err = unix.Getxattr(s.expert(2, 9), "user.expertfs.tier", buf[:2])
	require.ErrorIs(t, err, unix.ERANGE)
	_, err = unix.Getxattr(s.expert(2, 9), "user.expertfs.colour", buf)
	require.ErrorIs(t, err, unix.ENODATA)
	n, err = unix.Listxattr(s.path("config.json"), buf)
	require.NoError(t, err)
	require.Zero(t, n)
}

func TestStatfsShowsTheRAMTier(t *testing.T) {
	s := mount(t, serverConfig{})
	require.NoError(t, s.write("ram", "1MiB"))
	var st unix.Statfs_t
	require.NoError(t, unix.Statfs(s.point, &st))
	require.Equal(t, uint64(1<<20), st.Blocks*uint64(st.Frsize))
	require.Equal(t, st.Blocks, st.Bfree)
	require.Equal(t, uint64(128), st.Files)
	for e := range 3 {
		_, err := os.ReadFile(s.expert(0, e))
		require.NoError(t, err)
	}
	slot := s.report().Cache.SlotBytes
	require.NoError(t, unix.Statfs(s.point, &st))
	require.Equal(t, uint64(1<<20-3*slot), st.Bfree*uint64(st.Frsize))
	require.Equal(t, uint64(125), st.Ffree)
}

func TestStatsFiles(t *testing.T) {
	s := mount(t, serverConfig{})
	for range 2 {
		_, err := os.ReadFile(s.expert(3, 30))
		require.NoError(t, err)
	}
	line := regexp.MustCompile(`^(#.*|expertfs_[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [-+.e0-9]+)$`)
	text := s.read("stats")
	for l := range strings.Lines(text) {
		require.Regexp(t, line, strings.TrimSuffix(l, "\n"))
	}
	require.Contains(t, text, "\nexpertfs_hits_total 1\n")
	require.Contains(t, text, "\nexpertfs_misses_total 1\n")
	require.Contains(t, text, "\n# reads: "+string(s.report().Mechanism))
	require.Equal(t, "test\n", s.read("version"))

	table := csv.NewReader(strings.NewReader(s.read("experts.tsv")))
	table.Comma = '\t'
	rows, err := table.ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 1+4*32)
	require.Equal(t, []string{"layer", "expert", "tier", "hits", "loads", "last_access"}, rows[0])
	require.Equal(t, []string{"3", "30", "ram", "1", "1"}, rows[len(rows)-2][:5])

	picture := strings.Split(s.read("heatmap"), "\n")
	require.Equal(t, "03 ······························▃· 1", picture[5])
}

// TestControlFilesAreSnapshots reads one in pieces while what it tells changes.
func TestControlFilesAreSnapshots(t *testing.T) {
	s := mount(t, serverConfig{})
	f, err := os.Open(s.control("experts.tsv"))
	require.NoError(t, err)
	defer f.Close()
	first := make([]byte, 100)
	_, err = f.ReadAt(first, 0)
	require.NoError(t, err)
	_, err = os.ReadFile(s.expert(0, 0))
	require.NoError(t, err)
	again := make([]byte, 100)
	_, err = f.ReadAt(again, 0)
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.False(t, bytes.HasPrefix([]byte(s.read("experts.tsv")), first))
}

func TestLiveFile(t *testing.T) {
	s := mount(t, serverConfig{})
	before, err := expertfs.ReadLive(s.path())
	require.NoError(t, err)
	require.Equal(t, expertfs.LiveExpert{Place: expertfs.OnDrive}, *before.At(expertfs.NewKey(1, 2)))
	for range 3 {
		_, err := os.ReadFile(s.expert(1, 2))
		require.NoError(t, err)
	}
	require.NoError(t, s.write("hints", "step 1/2 1/3\ntouch 1/2\n"))
	now, err := expertfs.ReadLive(s.path())
	require.NoError(t, err)
	e := now.At(expertfs.NewKey(1, 2))
	require.Equal(t, expertfs.InRAM, e.Place)
	require.EqualValues(t, 4, e.Uses)
	require.Positive(t, e.Heat)
	chosen := now.At(expertfs.NewKey(1, 3))
	require.NotEqual(t, expertfs.OnDrive, chosen.Place)
	require.Zero(t, chosen.Uses, "chosen, and not opened")
	*e, *chosen = *before.At(expertfs.NewKey(1, 2)), *before.At(expertfs.NewKey(1, 3))
	for i := range now.All {
		now.All[i].Heat = 0 // a step is one of all experts of its layer
	}
	require.Equal(t, before, now)
	require.Positive(t, s.report().Cache.OpenWait)
}

// TestLoadsBeginWhenAStepIsAnnounced, before anything of it is opened. The uses are
// misses, though the loads have ended when they come. Who announces and dies leaves
// ordinary residents.
func TestLoadsBeginWhenAStepIsAnnounced(t *testing.T) {
	gate := filepath.Join(t.TempDir(), "gate")
	s := mount(t, serverConfig{Slots: 4, Gate: gate})
	p := startProgram(t, s)
	require.NoError(t, os.WriteFile(gate, nil, 0o600))
	require.Equal(t, "ok", p.do("hint step 1 2 3"))
	slot := s.report().Cache.SlotBytes
	require.Equal(t, 2*slot, s.report().Cache.LoadingBytes)
	require.Zero(t, s.report().Cache.Total())
	require.NoError(t, os.Remove(gate))
	require.Eventually(t, func() bool { return s.report().Cache.Resident == 2 }, patience, time.Millisecond)
	require.Equal(t, "ok", p.do("open 1/2"))
	require.Equal(t, expertfs.Uses{Misses: 1}, s.report().Cache.Uses)
	require.Equal(t, "ok", p.do("open 1/2"))
	require.Equal(t, expertfs.Uses{Hits: 1, Misses: 1}, s.report().Cache.Uses)
	require.Equal(t, "ok", p.do("close"))

	require.NoError(t, os.WriteFile(gate, nil, 0o600))
	require.Equal(t, "ok", p.do("hint step 2 4 5"))
	require.Equal(t, 2*slot, s.report().Cache.LoadingBytes)
	require.NoError(t, p.cmd.Process.Kill())
	p.end()
	require.Eventually(t, func() bool { return len(s.report().Readers) == 0 }, patience, time.Millisecond)
	require.NoError(t, os.Remove(gate))
	require.Eventually(t, func() bool { return s.report().Cache.LoadingBytes == 0 }, patience, time.Millisecond)
	require.Zero(t, s.report().Cache.HeldBytes)
	next := startProgram(t, s)
	for expert := range 4 {
		require.Equal(t, "ok", next.do(fmt.Sprintf("open 3/%d", expert)), "the whole budget is there")
	}
}
