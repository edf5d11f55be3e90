package fsys_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"expertfs"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// programEnv has the test binary be a program that uses a mount: it carries out
// the lines of its stdin and answers each with a line.
const programEnv = "EXPERTFS_TEST_PROGRAM"

// runProgram knows
//
//	open LAYER/EXPERT    open an expert and keep it
//	close                close the experts that are open
//	hint TEXT            write a line to hints, which stays open
//	map LAYER/EXPERT     map an expert and close it
//	share                read the share of the budget, which stays open
func runProgram(point string) error {
	names := expertfs.Names{Layers: 4, Experts: 32}
	var hints, share *os.File
	var kept []*os.File
	do := func(verb, arg string) (string, error) {
		switch verb {
		case "open", "map":
			layer, expert, _ := strings.Cut(arg, "/")
			l, _ := strconv.Atoi(layer)
			e, _ := strconv.Atoi(expert)
			path := filepath.Join(point, names.ExpertPath(expertfs.NewKey(l, e)))
			if verb == "map" {
				_, err := mapFile(path)
				return "ok", err
			}
			f, err := os.Open(path)
			if err == nil {
				kept = append(kept, f)
			}
			return "ok", err
		case "close":
			for _, f := range kept {
				f.Close()
			}
			kept = nil
			return "ok", nil
		case "hint":
			if hints == nil {
				var err error
				if hints, err = os.OpenFile(filepath.Join(point, expertfs.ControlPath(expertfs.HintsFile)), os.O_WRONLY, 0); err != nil {
					return "", err
				}
			}
			_, err := hints.WriteString(arg + "\n")
			return "ok", err
		case "share":
			if share == nil {
				var err error
				if share, err = os.Open(filepath.Join(point, expertfs.ControlPath(expertfs.ShareFile))); err != nil {
					return "", err
				}
			}
			buf := make([]byte, 64)
			n, err := share.ReadAt(buf, 0)
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return strings.TrimSpace(string(buf[:n])), err
		}
		return "", fmt.Errorf("unknown: %s", verb)
	}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		verb, arg, _ := strings.Cut(in.Text(), " ")
		answer, err := do(verb, arg)
		if err != nil {
			var errno unix.Errno
			errors.As(err, &errno)
			answer = "error " + unix.ErrnoName(errno)
		}
		fmt.Println(answer)
	}
	return in.Err()
}

// program is such a process.
type program struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startProgram(t *testing.T, s *server) *program {
	t.Helper()
	p := &program{t: t, cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), programEnv+"="+s.point, "GORACE=atexit_sleep_ms=0")
	p.cmd.Stderr = os.Stderr
	var err error
	p.in, err = p.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	p.out = bufio.NewReader(out)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(p.end)
	return p
}

func (p *program) do(line string) string {
	p.t.Helper()
	_, err := fmt.Fprintln(p.in, line)
	require.NoError(p.t, err)
	answer, err := p.out.ReadString('\n')
	require.NoError(p.t, err)
	return strings.TrimSpace(answer)
}

func (p *program) end() {
	if p.in != nil {
		p.in.Close()
		_ = p.cmd.Wait()
		p.in = nil
	}
}

func TestReadersAreToldApart(t *testing.T) {
	s := mount(t, serverConfig{Slots: 64})
	a, b := startProgram(t, s), startProgram(t, s)
	for token := range 3 {
		for layer := range 4 {
			for i, p := range []*program{a, b} {
				require.Equal(t, "ok", p.do(fmt.Sprintf("hint step %d %d %d", layer, 2*token, 8+token+i)))
			}
			for i, p := range []*program{a, b} {
				require.Equal(t, "ok", p.do(fmt.Sprintf("open %d/%d", layer, 2*token)))
				require.Equal(t, "ok", p.do(fmt.Sprintf("open %d/%d", layer, 8+token+i)))
			}
		}
	}
	readers := s.report().Readers
	require.Len(t, readers, 2)
	for i, p := range []*program{a, b} {
		r := readers[i]
		require.Equal(t, p.cmd.Process.Pid, r.PID)
		require.Equal(t, filepath.Base(os.Args[0])[:min(15, len(filepath.Base(os.Args[0])))], r.Name)
		require.EqualValues(t, 12, r.Steps, "no more than were announced")
		require.EqualValues(t, 3, r.Tokens)
		require.EqualValues(t, 24, r.Opens)
		require.EqualValues(t, 24, r.Total())
		require.Zero(t, r.MappedBytes)
	}
	require.Equal(t, "ok", a.do("map 3/7"))
	require.Equal(t, "ok", a.do("map 3/8"))
	slot := s.report().Cache.SlotBytes
	require.Eventually(t, func() bool { return s.report().Readers[0].MappedBytes == 2*slot }, patience, time.Millisecond)
	require.Zero(t, s.report().Readers[1].MappedBytes)
	require.Contains(t, s.read("stats"), fmt.Sprintf("expertfs_reader_opens_total{pid=\"%d\"", a.cmd.Process.Pid))
	a.end()
	require.Eventually(t, func() bool { return len(s.report().Readers) == 1 }, patience, 10*time.Millisecond)
	require.Equal(t, b.cmd.Process.Pid, s.report().Readers[0].PID)
}

func TestAShareIsThatOfTheProcessThatAsks(t *testing.T) {
	s := mount(t, serverConfig{Slots: 112})
	slot := s.report().Cache.SlotBytes
	a, b := startProgram(t, s), startProgram(t, s)
	require.Equal(t, fmt.Sprint(80*slot), a.do("share"))
	require.Equal(t, fmt.Sprint(40*slot), b.do("share"))
	require.Equal(t, fmt.Sprint(40*slot), a.do("share"), "each read shows what it is now")
	b.end()
	require.Eventually(t, func() bool { return a.do("share") == fmt.Sprint(80*slot) }, patience, 10*time.Millisecond)
}

func TestNoReaderIsRefusedBecauseOfAnother(t *testing.T) {
	m := openModel(t, "embed:tiny")
	for _, mechanism := range []expertfs.Mechanism{"", expertfs.Direct, expertfs.Cached} {
		s := mount(t, serverConfig{Slots: 7, Mechanism: mechanism, MaxWait: 100 * time.Millisecond})
		holder := startProgram(t, s)
		for expert := range 7 {
			require.Equal(t, "ok", holder.do(fmt.Sprintf("open 0/%d", expert)))
		}
		require.Equal(t, "error EBUSY", holder.do("open 0/8"), "it holds all of them itself")
		name := "layers/01/experts/00.safetensors"
		for _, way := range ways {
			got, err := way.read(s.path(name))
			require.NoError(t, err, way.name)
			require.True(t, bytes.Equal(m.files[name], got), way.name)
		}
		mapped, err := mapFile(s.path(name)) // from the drive; it stays so
		require.NoError(t, err)
		require.Equal(t, "ok", holder.do("close"))
		for _, way := range ways { // now there is room in RAM
			got, err := way.read(s.path(name))
			require.NoError(t, err, way.name)
			require.True(t, bytes.Equal(m.files[name], got), way.name)
		}
		require.True(t, bytes.Equal(m.files[name], mapped))
		require.NoError(t, unix.Munmap(mapped))
		require.Positive(t, s.report().Cache.Crowded)
		require.EqualValues(t, 1, s.report().Cache.Busy)
	}
}

func TestControlFilesShowTheSizeOfWhatTheyShow(t *testing.T) {
	s := mount(t, serverConfig{Slots: 8})
	for _, name := range []string{"stats", "stats.json", "experts.tsv", "heatmap", "live", "version", "policy", "ram", "share"} {
		f, err := os.Open(s.control(name))
		require.NoError(t, err)
		st, err := f.Stat()
		require.NoError(t, err)
		text, err := io.ReadAll(f)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		require.EqualValues(t, len(text), st.Size(), name)
		require.NotEmpty(t, text, name)
	}
}
