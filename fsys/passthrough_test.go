package fsys_test

import (
	"bytes"
	"os"
	"testing"

	"expertfs"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// needPassthrough skips a test where the kernel has no FUSE passthrough.
func (s *server) needPassthrough(t testing.TB) {
	t.Helper()
	if r := s.report(); r.Mechanism != expertfs.Passthrough {
		t.Skip("no passthrough here: ", r.Why)
	}
}

// TestPassthroughReadsDoNotReachTheServer counts the READ requests.
func TestPassthroughReadsDoNotReachTheServer(t *testing.T) {
	m := openModel(t, "embed:tiny")
	s := mount(t, serverConfig{Slots: 12})
	s.needPassthrough(t)
	before := s.report().Requests
	opens := int64(0)
	for name, want := range m.files {
		if name == "dense/embedding.safetensors" || bytes.Count([]byte(name), []byte("/")) == 0 {
			continue // these are not in the RAM tier
		}
		for _, w := range ways {
			got, err := w.read(s.path(name))
			require.NoError(t, err)
			require.True(t, bytes.Equal(want, got), "%s of %s", w.name, name)
			opens++
		}
	}
	after := s.report().Requests
	require.Equal(t, before.Reads, after.Reads)
	require.Equal(t, before.Opens+opens, after.Opens)
	require.Zero(t, after.Unbacked)
}

// TestFallbacksAnswerReads is the counterpart: without passthrough the server
// answers.
func TestFallbacksAnswerReads(t *testing.T) {
	for _, mechanism := range []expertfs.Mechanism{expertfs.Direct, expertfs.Cached} {
		s := mount(t, serverConfig{Mechanism: mechanism})
		r := s.report()
		require.Equal(t, mechanism, r.Mechanism)
		require.Equal(t, "asked for", r.Why)
		want, err := os.ReadFile(s.expert(0, 0))
		require.NoError(t, err)
		require.GreaterOrEqual(t, s.report().Requests.ReadBytes, r.Requests.ReadBytes+int64(len(want)))
	}
}

// TestMappingsOutliveEviction maps experts, closes them, and drives everything
// else through the cache: what is mapped must not change.
func TestMappingsOutliveEviction(t *testing.T) {
	m := openModel(t, "embed:tiny")
	for _, c := range []serverConfig{{Slots: 12}, {Slots: 12, Mechanism: expertfs.Direct}, {Slots: 12, Mechanism: expertfs.Cached}} {
		s := mount(t, c)
		mapped := make(map[string][]byte)
		for e := range 4 {
			f, err := os.Open(s.expert(1, e))
			require.NoError(t, err)
			name := f.Name()[len(s.point)+1:]
			mem, err := unix.Mmap(int(f.Fd()), 0, len(m.files[name]), unix.PROT_READ, unix.MAP_SHARED)
			require.NoError(t, err)
			require.NoError(t, f.Close())
			mapped[name] = mem
		}
		require.NoError(t, m.compare(s, ways, 2, 1, func() error { return nil }))
		for name, mem := range mapped {
			require.True(t, bytes.Equal(m.files[name], mem), name)
			require.NoError(t, unix.Munmap(mem))
		}
		s.unmount()
	}
}

// TestDescriptorsAreGivenBack fills and empties the cache many times over and
// looks at what the server has open: every slot must give its descriptor back.
func TestDescriptorsAreGivenBack(t *testing.T) {
	m := openModel(t, "embed:tiny")
	s := mount(t, serverConfig{Slots: 12})
	descriptors := func() int {
		list, err := os.ReadDir("/proc/" + itoa(s.cmd.Process.Pid) + "/fd")
		require.NoError(t, err)
		return len(list)
	}
	nothing := func() error { return nil }
	require.NoError(t, m.compare(s, ways, 4, 1, nothing))
	before := descriptors()
	for _, size := range []string{"200KiB", "420KiB"} {
		require.NoError(t, s.write("ram", size))
		require.NoError(t, m.compare(s, ways, 4, 1, nothing))
	}
	require.LessOrEqual(t, descriptors(), before+2) // the runtime may have a timer or a pipe more
}
