package diskcache

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"expertfs/checkpoint/source"
	"expertfs/checkpoint/source/storetest"
	"expertfs/checkpoint/view"

	"github.com/stretchr/testify/require"
)

// victimDir makes the test program fill a cache until it is killed.
const victimDir = "EXPERTFS_TEST_FILL"

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimDir); dir != "" {
		fillForever(dir)
	}
	os.Exit(m.Run())
}

// fillForever fills a cache of which half is evicted again and again.
func fillForever(dir string) {
	t := &testing.T{} // says nothing: the parent looks at what is left
	c, _, err := Open(upstream(t), Options{Dir: dir, Limit: 2 << 20, latest: syncQuiet})
	if err != nil {
		os.Exit(1)
	}
	s, err := c.Open("model.safetensors")
	if err != nil {
		os.Exit(1)
	}
	c.Together([]source.Source{s}, []view.Extent{{Off: 300_000, Len: 200_000}, {Off: 1_000_000, Len: 100_000}})
	f := c.file(c.listing.Find("model.safetensors"))
	c.Evictable(func() (uses []Use) {
		for lo := int64(0); lo < f.info.Size; lo += 70_000 {
			uses = append(uses, Use{Heat: rand.Float64(), Ranges: []Range{{f, extent{lo, lo + 70_000}}}})
		}
		return uses
	})
	buf := make([]byte, 64<<10)
	for {
		off := rand.Int64N(f.info.Size - int64(len(buf)))
		if _, err := (&handle{file: f}).ReadAt(context.Background(), buf, off); err != nil {
			os.Exit(1)
		}
	}
}

// A process that is killed while it fills and evicts leaves nothing that is not what
// it should be, and the next one begins with what it has left. EXPERTFS_KILLS says
// how many are killed.
func TestKilledWhileFilling(t *testing.T) {
	kills := 6
	if n, err := strconv.Atoi(os.Getenv("EXPERTFS_KILLS")); err == nil {
		kills = n
	}
	files, dir := content(), t.TempDir()
	store := storetest.S3(t, files)
	kept := 0
	for i := 0; i < kills || kept == 0 && i < 5*kills; i++ {
		life := 400 * time.Millisecond << (i / kills) // on a busy machine none may have come far
		before := store.Requests.Load()
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), victimDir+"="+dir)
		require.NoError(t, child.Start())
		require.Eventually(t, func() bool { return store.Requests.Load() > before+2 }, 5*time.Minute, time.Millisecond)
		time.Sleep(rand.N(life))
		require.NoError(t, child.Process.Kill())
		require.ErrorContains(t, child.Wait(), "killed", "it has ended by itself in run %d", i)

		c, warnings := open(t, dir, 2<<20)
		require.Empty(t, warnings)
		if check(t, c, files) > 0 {
			kept++
		} else {
			require.Zero(t, kept, "what was there before is lost")
		}
		require.NoError(t, c.Close())
	}
	require.Positive(t, kept)
	t.Logf("%d kills, %d requests", kills, store.Requests.Load())
}
