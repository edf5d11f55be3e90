package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"expertfs"
	"expertfs/policy"
	"expertfs/policy/heat"

	"github.com/stretchr/testify/require"
)

func TestHeatIsKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "heat.json")
	point := mountTiny(t, "--heat", file)
	access(t, point, "00/01", "01/03", "00/01", "01/04")
	require.Equal(t, result{0, "", ""}, run(t, "umount", point))
	first, err := os.ReadFile(file)
	require.NoError(t, err)

	point = mountTiny(t, "--heat", file)
	require.Equal(t, result{0, "", ""}, run(t, "umount", point))
	again, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(first), string(again), "what was learned outlives a mount without uses")

	point = mountTiny(t, "--heat", file)
	access(t, point, "00/02", "01/03", "00/02", "01/04")
	require.Equal(t, result{0, "", ""}, run(t, "umount", point))
	again, err = os.ReadFile(file)
	require.NoError(t, err)
	require.NotEqual(t, string(first), string(again))
}

func TestHeatOfAnotherModelIsLeftAlone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "heat.json")
	other := expertfs.Shape{Layers: 2, Experts: 8, TopK: 2}
	require.NoError(t, heat.Save(file, "other", other, policy.NewHeat(other)))
	before, err := os.ReadFile(file)
	require.NoError(t, err)
	needMounts(t)
	point := newPoint(t)
	r := run(t, "mount", "--ram", "4MiB", "--heat", file, "embed:tiny", point)
	require.Zero(t, r.code)
	require.Contains(t, r.errors, "warning: --heat is ignored: "+file)
	access(t, point, "00/01", "01/03", "00/01")
	require.Equal(t, result{0, "", ""}, run(t, "umount", point))
	after, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(before), string(after))
}

func TestHeatIsSavedFromTimeToTime(t *testing.T) {
	shape := expertfs.Shape{Layers: 1, Experts: 4, TopK: 1}
	h := heatFile{path: filepath.Join(t.TempDir(), "heat.json"), model: "m", shape: shape, log: slog.New(slog.DiscardHandler)}
	done := make(chan struct{})
	var saver sync.WaitGroup
	saver.Go(func() {
		h.saveEvery(poll, learnedThings{shape}, done)
	})
	require.Eventually(t, func() bool {
		_, err := heat.Load(h.path, "m", shape)
		_, learnedErr := heat.LoadLearned(h.path+learnedSuffix, "m")
		return err == nil && learnedErr == nil
	}, patience, poll)
	close(done)
	saver.Wait()
}

// learnedThings stand for a cache.
type learnedThings struct{ shape expertfs.Shape }

func (l learnedThings) Heat() *policy.Heat { return policy.NewHeat(l.shape) }
func (l learnedThings) Learned() policy.Learned {
	return policy.Learned{Kind: "k", Parts: [][]float32{{1}}}
}
func (l learnedThings) Learns() bool { return true }

// use announces steps of the embedded model, of ever the same experts.
func use(t *testing.T, point string, steps int) {
	t.Helper()
	hints, err := os.OpenFile(filepath.Join(point, ".expertfs/hints"), os.O_WRONLY, 0)
	require.NoError(t, err)
	for i := range steps {
		_, err := fmt.Fprintf(hints, "step %d %d %d %d %d\n", i%4, i%4, 4+i%4, 8+i%4, 12+i%4)
		require.NoError(t, err)
	}
	require.NoError(t, hints.Close())
}

// TestLearnedIsKept: a mount goes on from what the policy has learned, also after one
// with another policy, and not after one with other parameters.
func TestLearnedIsKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "heat.json")
	unmounted := func(point string) []byte {
		require.Equal(t, result{0, "", ""}, run(t, "umount", point))
		kept, err := os.ReadFile(file + learnedSuffix)
		require.NoError(t, err)
		return kept
	}
	point := mountTiny(t, "--heat", file)
	use(t, point, 200)
	first := unmounted(point)
	require.Equal(t, first, unmounted(mountTiny(t, "--heat", file)), "what was learned outlives a mount without uses")
	require.Equal(t, first, unmounted(mountTiny(t, "--heat", file, "--policy", "lru")), "and one of a policy that does not learn")

	point = mountTiny(t, "--heat", file, "--policy", "lru")
	require.NoError(t, os.WriteFile(filepath.Join(point, ".expertfs/policy"), []byte("forecast\n"), 0))
	require.Equal(t, first, unmounted(point), "a switch of the policy goes on from it as well")

	point = mountTiny(t, "--heat", file)
	use(t, point, 200)
	require.NotEqual(t, first, unmounted(point))

	point = newPoint(t)
	r := run(t, "mount", "--ram", "4MiB", "--heat", file, "--policy", "forecast:horizon=3", "embed:tiny", point)
	require.Zero(t, r.code)
	require.Contains(t, r.errors, "warning: the policy begins to learn anew: "+file+learnedSuffix+" is of another one (forecast 1: horizon=6,")
	require.Contains(t, string(unmounted(point)), "horizon=3")
}

// TestLearnedThatCannotBeRead: the mount serves and says so once.
func TestLearnedThatCannotBeRead(t *testing.T) {
	needMounts(t)
	file := filepath.Join(t.TempDir(), "heat.json")
	point := mountTiny(t, "--heat", file)
	use(t, point, 8)
	require.Equal(t, result{0, "", ""}, run(t, "umount", point))
	whole, err := os.ReadFile(file + learnedSuffix)
	require.NoError(t, err)
	for _, c := range []struct {
		text, warning string
		replaced      bool
	}{
		{string(whole[:len(whole)/2]), "cut off", true},
		{"precious\n", "is left alone", false},
	} {
		require.NoError(t, os.WriteFile(file+learnedSuffix, []byte(c.text), 0o644))
		point := newPoint(t)
		r := run(t, "mount", "--ram", "4MiB", "--heat", file, "embed:tiny", point)
		require.Zero(t, r.code)
		require.Contains(t, r.errors, c.warning)
		require.Contains(t, r.errors, file+learnedSuffix)
		require.Equal(t, result{0, "", ""}, run(t, "umount", point))
		got, err := os.ReadFile(file + learnedSuffix)
		require.NoError(t, err)
		require.Equal(t, c.replaced, string(got) != c.text)
	}
}
