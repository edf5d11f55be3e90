package heat_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"expertfs"
	"expertfs/policy"
	"expertfs/policy/heat"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var shape = expertfs.Shape{Layers: 2, Experts: 4, TopK: 1, ExpertBytes: 10, Budget: 40}

func learned() *policy.Heat {
	h := policy.NewHeat(shape)
	for range 9 {
		h.Step(policy.Step{Layer: 0, Used: []expertfs.Key{{Layer: 0, Expert: 3}}})
		h.Step(policy.Step{Layer: 1, Used: []expertfs.Key{{Layer: 1, Expert: 1}}})
	}
	h.Step(policy.Step{Layer: 0, Used: []expertfs.Key{{Layer: 0, Expert: 2}}})
	return h
}

func TestSaveAndLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "heat.json")
	_, err := heat.Load(path, "m", shape)
	require.ErrorIs(t, err, fs.ErrNotExist)

	want := learned()
	require.NoError(t, heat.Save(path, "m", shape, want))
	require.NoError(t, heat.Save(path, "m", shape, want), "replaces its own kind")
	got, err := heat.Load(path, "m", shape)
	require.NoError(t, err)
	for l := range 2 {
		assert.Equal(t, want.Visits(l), got.Visits(l))
		for e := range 4 {
			k := expertfs.Key{Layer: uint16(l), Expert: uint16(e)}
			assert.Equal(t, want.Rate(k), got.Rate(k))
		}
	}
	assert.Greater(t, got.Rate(expertfs.Key{Layer: 0, Expert: 3}), float32(0.7))

	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	assert.Len(t, entries, 1, "no temporary file is left")
}

func TestHeatOfAnotherModelIsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "heat.json")
	require.NoError(t, heat.Save(path, "m", shape, learned()))
	_, err := heat.Load(path, "other", shape)
	assert.ErrorIs(t, err, heat.ErrOtherModel)
	larger := shape
	larger.Experts = 8
	_, err = heat.Load(path, "m", larger)
	assert.ErrorIs(t, err, heat.ErrOtherModel)
	assert.NoError(t, heat.Check(path), "it may be replaced")
}

func TestOtherFilesAreNeitherReadNorReplaced(t *testing.T) {
	good := filepath.Join(t.TempDir(), "good")
	require.NoError(t, heat.Save(good, "m", shape, learned()))
	text, err := os.ReadFile(good)
	require.NoError(t, err)
	for name, content := range map[string]string{
		"text":           "precious",
		"json":           `{"precious":true}`,
		"newer":          strings.Replace(string(text), `"version":1`, `"version":2`, 1),
		"cut off":        string(text[:len(text)/2]),
		"rates missing":  strings.Replace(string(text), `"experts":4`, `"experts":5`, 1),
		"rates too many": strings.Replace(string(text), `"experts":4`, `"experts":3`, 1),
	} {
		path := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
		_, err := heat.Load(path, "m", shape)
		assert.ErrorIs(t, err, heat.ErrNotHeat, name)
		assert.ErrorIs(t, heat.Check(path), heat.ErrNotHeat, name)
		assert.ErrorIs(t, heat.Save(path, "m", shape, learned()), heat.ErrNotHeat, name)
		after, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, content, string(after), name)
	}
	assert.ErrorIs(t, heat.Save(os.DevNull, "m", shape, learned()), heat.ErrNotHeat)
	assert.ErrorIs(t, heat.Save(t.TempDir(), "m", shape, learned()), heat.ErrNotHeat)
}

func TestEmptyFilesAreFilledAndLinksFollowed(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	require.NoError(t, os.WriteFile(target, nil, 0o644))
	require.NoError(t, os.Symlink("target", link))
	require.NoError(t, heat.Save(link, "m", shape, learned()))
	_, err := heat.Load(target, "m", shape)
	assert.NoError(t, err)
	info, err := os.Lstat(link)
	require.NoError(t, err)
	assert.NotZero(t, info.Mode()&fs.ModeSymlink)
}

func TestFailureLeavesNothingBehind(t *testing.T) {
	assert.ErrorIs(t, heat.Save(filepath.Join(t.TempDir(), "no", "dir"), "m", shape, learned()), fs.ErrNotExist)
}
