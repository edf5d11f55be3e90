package tiers

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"expertfs/tiers/ram"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// mapperEnv makes the test binary a process that maps descriptor 3 without
// keeping it, as a client of a passthrough mount does.
const mapperEnv = "EXPERTFS_TEST_MAPPER"

// mapFile maps descriptor 3, closes it, and writes the whole mapping out for
// each byte on stdin, until stdin ends.
func mapFile() {
	fd, err := unix.Open("/proc/self/fd/3", unix.O_RDONLY, 0)
	must(err)
	must(unix.Close(3))
	var st unix.Stat_t
	must(unix.Fstat(fd, &st))
	mem, err := unix.Mmap(fd, 0, int(st.Size), unix.PROT_READ, unix.MAP_SHARED)
	must(err)
	must(unix.Close(fd))
	fmt.Println("mapped")
	for one := make([]byte, 1); ; {
		if _, err := io.ReadFull(os.Stdin, one); err != nil {
			return
		}
		_, err := os.Stdout.Write(mem)
		must(err)
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// mapper is a child process that maps a slot.
type mapper struct {
	t    *testing.T
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	size int64
}

func startMapper(t *testing.T, s *ram.Slot) *mapper {
	t.Helper()
	dup, err := unix.Dup(s.Fd())
	require.NoError(t, err)
	file := os.NewFile(uintptr(dup), "slot")
	defer file.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), mapperEnv+"=1", "GORACE=atexit_sleep_ms=0")
	cmd.ExtraFiles = []*os.File{file}
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	m := &mapper{t, cmd, in, bufio.NewReader(out), s.Size()}
	line, err := m.out.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "mapped\n", line)
	return m
}

// sees returns what the child reads through its mapping.
func (m *mapper) sees() []byte {
	m.t.Helper()
	_, err := m.in.Write([]byte{0})
	require.NoError(m.t, err)
	data := make([]byte, m.size)
	_, err = io.ReadFull(m.out, data)
	require.NoError(m.t, err)
	return data
}

// stop has the child end, and with it its mapping.
func (m *mapper) stop() {
	m.in.Close()
	require.NoError(m.t, m.cmd.Wait())
}

// kill ends the child as kill -9 does.
func (m *mapper) kill() {
	require.NoError(m.t, m.cmd.Process.Kill())
	require.Error(m.t, m.cmd.Wait())
}

func TestAReaderThatMapsKeepsItsBytes(t *testing.T) {
	for name, o := range map[string]Options{"tmpfs": {}, "plain tmpfs": {NoHuge: true}, "memfd": {Memfd: true}} {
		t.Run(name, func(t *testing.T) {
			ck := tiny(t)
			c := newCache(t, ck, 6, o)
			h := open(t, c, key(0, 0))
			m := startMapper(t, h.Slot())
			h.Release()
			require.Equal(t, c.slots.bytes, c.Stats().MappedBytes)
			for layer := range 4 {
				for expert := 1; expert < 32; expert++ {
					open(t, c, key(layer, expert)).Release()
				}
			}
			require.True(t, bytes.Equal(bytesOf(t, ck, ck.Expert(key(0, 0))), m.sees()))
			require.Equal(t, "ram", c.Expert(key(0, 0)).Tier, "what is mapped is not evicted")
			m.stop()
			require.Eventually(t, func() bool { return c.Stats().MappedBytes == 0 }, 5*time.Minute, time.Millisecond)
			for expert := range 7 {
				open(t, c, key(1, expert)).Release()
			}
			require.Equal(t, "nvme", c.Expert(key(0, 0)).Tier)
		})
	}
}

func TestAnOpenGetsTheSlotThatAKilledReaderMapped(t *testing.T) {
	ck := tiny(t)
	c := newCache(t, ck, 4, Options{MaxWait: time.Hour, CrowdWait: time.Hour})
	var mappers []*mapper
	for expert := range 4 {
		h := open(t, c, key(0, expert))
		mappers = append(mappers, startMapper(t, h.Slot()))
		h.Release()
	}
	opened := make(chan error)
	go func() {
		h, err := c.Open(context.Background(), key(1, 0))
		if err == nil {
			if !bytes.Equal(bytesOf(t, ck, ck.Expert(key(1, 0))), h.Bytes()) {
				err = fmt.Errorf("wrong bytes")
			}
			h.Release()
		}
		opened <- err
	}()
	eventually(t, func() bool { return c.Stats().Waiting == 1 })
	mappers[3].kill()
	require.NoError(t, <-opened)
	require.Equal(t, "nvme", c.Expert(key(0, 3)).Tier)
	for expert, m := range mappers[:3] {
		require.True(t, bytes.Equal(bytesOf(t, ck, ck.Expert(key(0, expert))), m.sees()))
		m.stop()
	}
}

func TestWhenReadersMapEverySlotOpensAreBusy(t *testing.T) {
	ck := tiny(t)
	c := newCache(t, ck, 4, Options{MaxWait: time.Millisecond})
	for expert := range 4 {
		h := open(t, c, key(0, expert))
		defer startMapper(t, h.Slot()).stop()
		h.Release()
	}
	_, err := c.Open(context.Background(), key(1, 0))
	require.ErrorIs(t, err, ErrBusy)
	open(t, c, key(0, 2)).Release() // what is there is served
}

func TestAShrinkWaitsForWhoMaps(t *testing.T) {
	ck := tiny(t)
	c := newCache(t, ck, 8, Options{})
	var mappers []*mapper
	for expert := range 8 {
		h := open(t, c, key(0, expert))
		mappers = append(mappers, startMapper(t, h.Slot()))
		h.Release()
	}
	require.NoError(t, c.SetBudget(4*c.slots.bytes))
	require.Equal(t, 8*c.slots.bytes, c.Stats().Used)
	for expert, m := range mappers {
		require.True(t, bytes.Equal(bytesOf(t, ck, ck.Expert(key(0, expert))), m.sees()))
		m.stop()
	}
	requireKernel(t, c, 4)
}
