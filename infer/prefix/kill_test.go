package prefix

import (
	"bufio"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// childVariable has the test program write prefixes into the folder that it names,
// until it is killed.
const childVariable = "PREFIX_TEST_CHILD"

// childTexts is how many texts the child writes in turn.
const childTexts = 40

// childText is one of them; several begin alike.
func childText(i int) []int {
	return append(count(10*(i%4), 64), count(10000*i, 130)...)
}

// writeForever is the child. It says when it begins.
func writeForever(dir string) {
	s, err := Open(Options{Shape: testShape, Key: id{1}, Start: -1, Dir: dir, Disk: 40 * testShape.Bytes(0, 64), RAM: 1 << 20})
	if err != nil {
		os.Exit(3)
	}
	os.Stdout.WriteString("begun\n")
	for i := 0; ; i++ {
		keep(s, childText(i%childTexts), 40, 64, 70, 150, 194)
		time.Sleep(time.Duration(i%3) * 100 * time.Microsecond) // let the writer keep up
	}
}

// TestKilledWhileWriting kills a process again and again while it writes, and looks
// each time at what it has left: a store that opens, and nothing in it that is wrong.
// GPTOSS_KILLS is how many times.
func TestKilledWhileWriting(t *testing.T) {
	kills := 8
	if n, err := strconv.Atoi(os.Getenv("GPTOSS_KILLS")); err == nil {
		kills = n
	}
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(uint64(kills), 1))
	found := 0
	for n := 0; n < kills || found == 0 && n < 20*kills; n++ { // on a busy machine none may have come far
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childVariable+"="+dir)
		out, err := child.StdoutPipe()
		require.NoError(t, err)
		err = child.Start()
		if errors.Is(err, syscall.ENOEXEC) {
			t.Skip("an emulator runs this test, and the kernel knows no emulator for its children")
		}
		require.NoError(t, err)
		line, err := bufio.NewReader(out).ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "begun\n", line)
		time.Sleep(time.Duration(r.IntN(30000)) * time.Microsecond)
		require.NoError(t, child.Process.Kill())
		require.Error(t, child.Wait())

		s := openStore(t, dir, nil)
		for i := range childTexts {
			ids := childText(i)
			n, states := s.load(context.Background(), ids, len(ids))
			found += n
			for _, st := range states {
				if st.To() <= n { // else its end is of another text
					require.Equal(t, content(ids, st.From(), st.To()).Parts(), st.Parts())
				}
			}
		}
		require.Zero(t, s.Stats().Torn)
	}
	require.Positive(t, found)
}
