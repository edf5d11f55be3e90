package fsys_test

import (
	"os"
	"testing"
	"unsafe"

	"expertfs"

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

// readBig maps a file at a multiple of 2 MiB, so that it can be mapped by huge
// pages, and reads a byte of each cache line.
func readBig(b *testing.B, f opened, size int) {
	const huge = 2 << 20
	room := uintptr(size+2*huge) &^ (huge - 1)
	base, err := unix.MmapPtr(-1, 0, nil, room, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		b.Fatal(err)
	}
	at := unsafe.Add(base, -uintptr(base)%huge)
	if _, err := unix.MmapPtr(int(f.Fd()), 0, at, uintptr(size), unix.PROT_READ, unix.MAP_SHARED|unix.MAP_FIXED); err != nil {
		b.Fatal(err)
	}
	for mem := unsafe.Slice((*byte)(at), size); len(mem) > 64; mem = mem[64:] {
		sum += mem[0]
	}
	if err := unix.MunmapPtr(base, room); err != nil {
		b.Fatal(err)
	}
}

func fileOpener(path string) (opened, error) { return os.Open(path) }
