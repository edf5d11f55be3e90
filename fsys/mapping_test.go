package fsys_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"unsafe"

	"expertfs"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// BenchmarkOpen opens an expert of gpt-oss's size that is in RAM, maps it, reads a
// word of each page, unmaps and closes it: by each way, of each mechanism.
func BenchmarkOpen(b *testing.B) {
	m := publishedSize(b)
	config := m.ck.Config()
	names := expertfs.Names{Layers: config.Layers, Experts: config.Experts}
	for name, c := range map[string]serverConfig{
		"passthrough": {}, "direct": {Mechanism: expertfs.Direct}, "memfd": {Mechanism: expertfs.Direct, Memfd: true},
	} {
		c.Checkpoint = m.path
		s := mount(b, c)
		socket := expertfs.NewOpener(s.point, names)
		k := expertfs.NewKey(0, 0)
		for way, open := range map[string]func() (opened, error){
			"file":   func() (opened, error) { return fileOpener(s.path(names.ExpertPath(k))) },
			"socket": func() (opened, error) { return socket.Open(k) },
		} {
			b.Run(name+"/"+way+"/open", func(b *testing.B) {
				for b.Loop() {
					f, err := open()
					if err != nil {
						b.Fatal(err)
					}
					f.Close()
				}
			})
			b.Run(name+"/"+way+"/read", func(b *testing.B) {
				b.SetBytes(m.ck.ExpertSize())
				for b.Loop() {
					f, err := open()
					if err != nil {
						b.Fatal(err)
					}
					readBig(b, f, int(m.ck.ExpertSize()))
					f.Close()
				}
			})
		}
		socket.Close()
	}
}

// opened is an open file, however it was opened.
type opened interface {
	Fd() uintptr
	Close() error
}

var sum byte // keeps what is read in the program

// readBig maps a file and reads a byte of each cache line.
func readBig(b *testing.B, f opened, size int) {
	mapBig(b, f, size, func(mem []byte) {
		for ; len(mem) > 64; mem = mem[64:] {
			sum += mem[0]
		}
	})
}

// mapBig maps a file at a multiple of 2 MiB, so that it can be mapped by huge
// pages, reads a byte of each page, and calls use.
func mapBig(t testing.TB, f opened, size int, use func(mem []byte)) {
	t.Helper()
	const huge = 2 << 20
	room := uintptr(size+2*huge) &^ (huge - 1)
	base, err := unix.MmapPtr(-1, 0, nil, room, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	require.NoError(t, err)
	at := unsafe.Add(base, -uintptr(base)%huge)
	_, err = unix.MmapPtr(int(f.Fd()), 0, at, uintptr(size), unix.PROT_READ, unix.MAP_SHARED|unix.MAP_FIXED)
	require.NoError(t, err)
	mem := unsafe.Slice((*byte)(at), size)
	for i := 0; i < size; i += 4096 {
		sum += mem[i]
	}
	use(mem)
	require.NoError(t, unix.MunmapPtr(base, room))
}

func fileOpener(path string) (opened, error) { return os.Open(path) }

// TestReadersMapByHugePages: slots are files of their own for each load, and
// readers map them by huge pages all the same.
func TestReadersMapByHugePages(t *testing.T) {
	if testing.Short() {
		t.Skip("writes a checkpoint of 220 MB")
	}
	m := publishedSize(t)
	s := mount(t, serverConfig{Checkpoint: m.path, Slots: 4})
	if c := s.report().Cache; c.Mechanism != "tmpfs with huge pages" {
		t.Skip(c.Mechanism, ": ", c.Why)
	}
	o := s.opener(t, m)
	k := func(i int) expertfs.Key { return expertfs.NewKey(i/8, i%8) }
	for i := range 16 {
		_, err := readDescriptor(o, k(i), true)
		require.NoError(t, err)
	}
	for way, open := range map[string]func(expertfs.Key) (opened, error){
		"descriptor": func(k expertfs.Key) (opened, error) { return o.Open(k) },
		"file":       func(k expertfs.Key) (opened, error) { return os.Open(s.path(m.names().ExpertPath(k))) },
	} {
		t.Run(way, func(t *testing.T) {
			if way == "file" {
				s.needPassthrough(t)
			}
			f, err := open(k(3)) // not in RAM
			require.NoError(t, err)
			defer f.Close()
			kib := 0
			mapBig(t, f, int(m.ck.ExpertSize()), func(mem []byte) { kib = hugeKiB(t, &mem[0]) })
			if kib == 0 {
				t.Skip("the system has no huge page to spare")
			}
			require.Equal(t, 6*2048, kib)
		})
	}
}

// hugeKiB returns how much of the mapping that begins at first is mapped by huge
// pages.
func hugeKiB(t *testing.T, first *byte) (kib int) {
	t.Helper()
	smaps, err := os.ReadFile("/proc/self/smaps")
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(smaps), strings.TrimPrefix(fmt.Sprintf("%p-", first), "0x"))
	require.True(t, ok)
	for line := range strings.Lines(rest) {
		for _, name := range []string{"ShmemPmdMapped", "FilePmdMapped"} {
			var n int
			if found, _ := fmt.Sscanf(line, name+": %d kB", &n); found == 1 {
				kib += n
			}
		}
		if strings.HasPrefix(line, "VmFlags:") {
			break
		}
	}
	return kib
}
