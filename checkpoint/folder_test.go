package checkpoint

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"expertfs"
	"expertfs/checkpoint/config"
	"expertfs/checkpoint/format"
	"expertfs/checkpoint/layout"
	"expertfs/checkpoint/safetensors"
	"expertfs/checkpoint/source"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestOpenFindsTheWeights(t *testing.T) {
	root := filepath.Join(t.TempDir(), "gpt-oss-mini")
	original := filepath.Join(root, "original")
	f := sample(t, layout.OpenAI, 1)
	delete(f, "tokenizer.json")
	f.save(t, original)
	files{"tokenizer.json": []byte("{}"), "chat_template.jinja": nil, "unrelated.json": nil}.save(t, root)

	for _, path := range []string{root, original, original + "/"} {
		c := openPath(t, path)
		require.Equal(t, "gpt-oss-mini", c.Name())
		require.Equal(t, original, filepath.Dir(source.Path(c.Files()[0])))
		var small []string
		for _, s := range c.Small() {
			small = append(small, s.Name())
		}
		require.Equal(t, []string{"config.json", "chat_template.jinja", "tokenizer.json"}, small)
	}

	// A repository that has both layouts is opened in the one of its root.
	sample(t, layout.HuggingFace, 2).save(t, root)
	c := openPath(t, root)
	require.Equal(t, layout.HuggingFace.Name(), c.Format())
	require.Equal(t, root, filepath.Dir(source.Path(c.Files()[0])))
	t.Chdir(original)
	require.Equal(t, layout.OpenAI.Name(), openPath(t, ".").Format())
	require.Equal(t, "gpt-oss-mini", openPath(t, ".").Name())
}

func TestSmallFilesAreThoseOfTheModel(t *testing.T) {
	dir := t.TempDir()
	f := sample(t, layout.HuggingFace, 2)
	f["LICENSE"], f["README.md"], f[".hidden.json"], f["photo.png"] = nil, []byte("hello"), nil, nil
	f.save(t, dir)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder.json"), 0o755))
	large := filepath.Join(dir, "large.json")
	require.NoError(t, os.WriteFile(large, nil, 0o644))
	require.NoError(t, os.Truncate(large, 64<<20+1))

	got := map[string]int64{}
	for _, s := range openPath(t, dir).Small() {
		got[s.Name()] = s.Size()
	}
	require.Equal(t, map[string]int64{"LICENSE": 0, "README.md": 5, "config.json": int64(len(f[layout.ConfigName])), "tokenizer.json": 2}, got)
}

// saveCache lays a checkpoint out as Hugging Face's tools do: blobs, and
// snapshots of symlinks into them.
func saveCache(t *testing.T, dir, revision string, f files) {
	t.Helper()
	blobs, snapshot := filepath.Join(dir, "blobs"), filepath.Join(dir, "snapshots", revision)
	require.NoError(t, os.MkdirAll(blobs, 0o755))
	require.NoError(t, os.MkdirAll(snapshot, 0o755))
	for name, data := range f {
		blob := revision + "-" + name
		require.NoError(t, os.WriteFile(filepath.Join(blobs, blob), data, 0o644))
		require.NoError(t, os.Symlink(filepath.Join("..", "..", "blobs", blob), filepath.Join(snapshot, name)))
	}
}

func TestHuggingFaceCache(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "models--openai--gpt-oss-mini")
	saveCache(t, cache, "aaaa", sample(t, layout.OpenAI, 1))
	saveCache(t, cache, "bbbb", sample(t, layout.HuggingFace, 2))
	long := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(filepath.Join(cache, "snapshots", "aaaa"), long, long))

	c := openPath(t, cache) // no ref: the newest
	require.Equal(t, "openai/gpt-oss-mini", c.Name())
	require.Equal(t, layout.HuggingFace.Name(), c.Format())
	require.NoError(t, c.Files()[1].Check(t.Context()))

	refs := filepath.Join(cache, "refs")
	require.NoError(t, os.Mkdir(refs, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(refs, "main"), []byte("aaaa\n"), 0o644))
	require.Equal(t, layout.OpenAI.Name(), openPath(t, cache).Format())
	require.Equal(t, layout.HuggingFace.Name(), openPath(t, filepath.Join(cache, "snapshots", "bbbb")).Format())

	require.NoError(t, os.Remove(filepath.Join(cache, "blobs", "aaaa-model.safetensors")))
	_, err := Open(cache)
	require.ErrorContains(t, err, "aaaa/model.safetensors: a link to nothing: download it again")
	require.NoError(t, os.RemoveAll(filepath.Join(cache, "snapshots")))
	require.NoError(t, os.Mkdir(filepath.Join(cache, "snapshots"), 0o755))
	_, err = Open(cache)
	require.ErrorContains(t, err, "the cache has no snapshot")
}

// TestHuggingFaceCacheWhoseMainHasNoWeights has a revision with nothing but a
// tokenizer in main, as `hf download REPO tokenizer.json` leaves it.
func TestHuggingFaceCacheWhoseMainHasNoWeights(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "models--openai--gpt-oss-mini")
	saveCache(t, cache, "main", files{"tokenizer.json": []byte("{}"), "config.json": []byte("{}")})
	saveCache(t, cache, "whole", sample(t, layout.OpenAI, 1))
	saveCache(t, cache, "broken", sample(t, layout.HuggingFace, 2))
	require.NoError(t, os.Remove(filepath.Join(cache, "blobs", "broken-partb.safetensors")))
	require.NoError(t, os.Mkdir(filepath.Join(cache, "refs"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(cache, "refs", "main"), []byte("main"), 0o644))
	old := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(filepath.Join(cache, "snapshots", "whole"), old, old))
	c := openPath(t, cache)
	require.Equal(t, "openai/gpt-oss-mini", c.Name())
	require.Equal(t, filepath.Join(cache, "snapshots", "whole"), filepath.Dir(source.Path(c.Files()[0])))

	// Weights of main that are damaged are no reason to take others.
	require.NoError(t, os.Remove(filepath.Join(cache, "snapshots", "main", "config.json")))
	saveCache(t, cache, "main", files{weights: []byte("x"), "config.json": sample(t, layout.OpenAI, 1)[layout.ConfigName]})
	_, err := Open(cache)
	require.ErrorContains(t, err, "main/model.safetensors: 1 bytes are too few")
	require.NoError(t, os.Remove(filepath.Join(cache, "snapshots", "main", weights)))
	for _, name := range []string{"whole", "broken"} {
		require.NoError(t, os.RemoveAll(filepath.Join(cache, "snapshots", name)))
	}
	_, err = Open(cache)
	require.ErrorContains(t, err, "not a checkpoint")
}

// TestAnIndexAloneDoesNotHideWhatIsWhole has an index at the root of a
// repository of which only original/ was downloaded.
func TestAnIndexAloneDoesNotHideWhatIsWhole(t *testing.T) {
	root := t.TempDir()
	f := sample(t, layout.HuggingFace, 2)
	index := files{layout.IndexName: f[layout.IndexName], layout.ConfigName: f[layout.ConfigName]}
	index.save(t, root)
	_, err := Open(root)
	require.ErrorContains(t, err, "names shard parta.safetensors, which is not there")
	sample(t, layout.OpenAI, 1).save(t, filepath.Join(root, "original"))
	require.Equal(t, "openai", openPath(t, root).Format())
}

func TestAWholeFileBesideAStaleIndex(t *testing.T) {
	for name, spoil := range map[string]func(f files){
		"of shards that are gone":     func(f files) {},
		"that is garbage":             func(f files) { f[layout.IndexName] = []byte("{") },
		"of shards with other layers": func(f files) { f["parta.safetensors"] = f[weights] },
	} {
		t.Run(name, func(t *testing.T) {
			f := sample(t, layout.HuggingFace, 1)
			f[layout.IndexName] = sample(t, layout.HuggingFace, 2)[layout.IndexName]
			spoil(f)
			c, err := f.open()
			require.NoError(t, err)
			require.Len(t, c.Files(), 1)
			require.Equal(t, weights, c.Files()[0].Name())

			f[weights] = f[weights][:len(f[weights])-1]
			_, err = f.open()
			require.Error(t, err)
		})
	}

	// A broken one does not hide shards that are whole.
	f := sample(t, layout.HuggingFace, 2)
	f[weights] = []byte("cut off")
	c, err := f.open()
	require.NoError(t, err)
	require.Len(t, c.Files(), 2)
}

func TestTensorsThatNobodyNeedsMayBeOfAnyType(t *testing.T) {
	f := sample(t, layout.OpenAI, 1)
	f.editHeader(t, weights, func(h map[string]entry) { h["extra"] = entry{"F8_E9M9", []int64{3, 5}, [2]int64{0, 0}} })
	_, err := f.open()
	require.NoError(t, err)
	f.editHeader(t, weights, func(h map[string]entry) {
		e := h["norm.scale"]
		e.DType = "F8_E9M9"
		h["norm.scale"] = e
	})
	_, err = f.open()
	require.ErrorContains(t, err, `"norm.scale" is F8_E9M9[64], expected BF16[64]`)
}

// TestNamesWithControlCharacters opens a folder with a newline in its name, and
// has errors about it in one line.
func TestNamesWithControlCharacters(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "two\nlines")
	f := sample(t, layout.OpenAI, 1)
	f.save(t, dir)
	c := openPath(t, dir)
	require.Equal(t, `"two\nlines"`, c.Name())
	require.NoError(t, c.Files()[0].Check(t.Context()))
	require.NoError(t, os.Truncate(filepath.Join(dir, weights), 1000))
	oneLine(t, c.Files()[0].Check(t.Context()))
	for name, spoil := range map[string]func(){
		"truncated": func() {},
		"link":      func() { require.NoError(t, os.Remove(filepath.Join(dir, weights))) },
		"config":    func() { require.NoError(t, os.Remove(filepath.Join(dir, layout.ConfigName))) },
	} {
		t.Run(name, func(t *testing.T) {
			spoil()
			_, err := Open(dir)
			require.ErrorContains(t, err, `two\nlines`)
			oneLine(t, err)
		})
	}
	_, err := Open(dir + "\nx")
	oneLine(t, err)
	_, err = Open("embed:\n")
	oneLine(t, err)
	require.NoError(t, os.RemoveAll(dir))
	require.NoError(t, os.WriteFile(dir, nil, 0o600))
	_, err = Open(dir)
	oneLine(t, err)
}

func TestOpenRefusesWhatIsNoCheckpoint(t *testing.T) {
	dir := t.TempDir()
	save := func(name string, f files) string {
		f.save(t, filepath.Join(dir, name))
		return filepath.Join(dir, name)
	}
	tree := save("tree", files{layout.ConfigName: nil})
	save("tree/dense", files{"embedding.safetensors": nil})
	save("tree/.expertfs", nil)
	folderForFile := save("folder", files{layout.ConfigName: sample(t, layout.OpenAI, 1)[layout.ConfigName]})
	require.NoError(t, os.Mkdir(filepath.Join(folderForFile, weights), 0o755))

	above := filepath.Dir(save("above/Q4 K/", files{"m-00001-of-00002.gguf": nil}))
	cached := filepath.Dir(save("hub/models--a--b", nil))
	require.NoError(t, os.MkdirAll(filepath.Join(cached, "models--a--b", "snapshots", "abc"), 0o755))
	for path, want := range map[string]string{
		above:                              "not a checkpoint; '" + filepath.Join(above, "Q4 K") + "' has one",
		cached:                             "not a checkpoint; " + filepath.Join(cached, "models--a--b") + " has one",
		filepath.Join(dir, "nothing"):      "no such folder; give a checkpoint's folder, a GGUF file, or a name like embed:tiny, hf://openai/gpt-oss-20b, https://host/path/, ollama:gpt-oss:20b, s3://bucket/prefix",
		save("empty", nil):                 "not a checkpoint",
		save("gguf", files{"m.gguf": nil}): "m.gguf: truncated",
		filepath.Join(save("file", sample(t, layout.OpenAI, 1)), weights): "is no GGUF file; of safetensors give the folder that holds",
		tree:            "is a mount already",
		folderForFile:   "model.safetensors: expected a regular file",
		"embed:huge":    "embed:huge: unknown; give a folder, a GGUF file, or a name like embed:tiny",
		"embed:":        "embed:: unknown",
		"hf:openai/oss": "hf:openai/oss: expected a name like hf://openai/gpt-oss-20b",
		"gs://bucket/x": "unknown; give a folder",
		"":              "not a checkpoint",
	} {
		_, err := Open(path)
		require.ErrorContains(t, err, want, path)
		oneLine(t, err)
	}
}

// The folders below one that is no checkpoint are not looked into where they are mounts.
func TestMountsBelowAreNotLookedInto(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("mounts a tmpfs, as root")
	}
	dir := t.TempDir()
	mounted, beside := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	for _, below := range []string{mounted, beside} {
		require.NoError(t, os.Mkdir(below, 0o755))
	}
	require.NoError(t, unix.Mount("none", mounted, "tmpfs", 0, "size=1m"))
	t.Cleanup(func() { require.NoError(t, unix.Unmount(mounted, 0)) })
	for _, below := range []string{mounted, beside} {
		require.NoError(t, os.WriteFile(filepath.Join(below, "m.gguf"), nil, 0o644))
	}
	_, err := Open(dir)
	require.ErrorContains(t, err, "not a checkpoint; "+beside+" has one")
}

// locked is a folder of which no file may be read.
type locked struct{ source.Folder }

func (locked) Open(name string) (source.Source, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
}

func TestAFileThatMayNotBeReadIsNotTakenForAnother(t *testing.T) {
	_, err := openFirst([]*format.Place{{Folder: locked{source.Dir(t.TempDir())}, File: "m.gguf"}})
	require.ErrorIs(t, err, fs.ErrPermission)
}

func TestPathThatLooksLikeAScheme(t *testing.T) {
	t.Chdir(t.TempDir())
	sample(t, layout.OpenAI, 1).save(t, "odd:name")
	require.Equal(t, "odd:name", openPath(t, "odd:name").Name())
	sample(t, layout.OpenAI, 1).save(t, "ollama:mine")
	dir, err := os.Getwd()
	require.NoError(t, err)
	for where, want := range map[string]string{
		"odd:name": dir + "/odd:name", "ollama:mine": dir + "/ollama:mine", "x": dir + "/x", "/a/b": "/a/b",
		"embed:tiny": "embed:tiny", "ollama:gpt-oss:20b": "ollama:gpt-oss:20b",
		"ftp://host/model": "ftp://host/model",
	} {
		got, err := Absolute(where)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func TestCheckSeesChanges(t *testing.T) {
	for name, c := range map[string]struct {
		change func(t *testing.T, path string)
		want   string
	}{
		"removed": {func(t *testing.T, path string) { require.NoError(t, os.Remove(path)) }, "no such file"},
		"replaced": {func(t *testing.T, path string) {
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path+".new", data, 0o644))
			require.NoError(t, os.Rename(path+".new", path))
		}, "was replaced"},
		"truncated": {func(t *testing.T, path string) { require.NoError(t, os.Truncate(path, 1000)) }, "has 1000 now"},
		"modified": {func(t *testing.T, path string) {
			require.NoError(t, os.Chtimes(path, time.Time{}, time.Unix(1, 0)))
		}, "was modified"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			sample(t, layout.OpenAI, 1).save(t, dir)
			file := openPath(t, dir).Files()[0]
			require.NoError(t, file.Check(t.Context()))
			c.change(t, source.Path(file))
			require.ErrorContains(t, file.Check(t.Context()), c.want)
		})
	}
}

func TestIdentity(t *testing.T) {
	one, two := t.TempDir(), t.TempDir()
	f := sample(t, layout.OpenAI, 1)
	f.save(t, one)
	f[weights][len(f[weights])-1]++ // weights alone make no difference
	f.save(t, two)
	require.Equal(t, openPath(t, one).ID(), openPath(t, two).ID())
	f.editJSON(t, layout.ConfigName, map[string]any{"rope_theta": 7000})
	f.save(t, two)
	require.NotEqual(t, openPath(t, one).ID(), openPath(t, two).ID())
}

// TestIdentityStays pins the identity of a model: under another one the files
// that tell what was used of it would be another model's.
func TestIdentityStays(t *testing.T) {
	require.Equal(t, "f448b471e6321db2f479aa6fa41d89f5", openPath(t, "embed:tiny").ID())
}

// TestOpenReadsHeadersOnly opens a file of the published 120b model's full size
// that has nothing but a header on the disk, and checks the sizes against known ones.
func TestOpenReadsHeadersOnly(t *testing.T) {
	c, err := config.Preset("120b")
	require.NoError(t, err)
	text, err := c.OpenAI()
	require.NoError(t, err)
	var ts []safetensors.Tensor
	size := int64(0)
	for _, want := range layout.OpenAI.Tensors(c) {
		ts = append(ts, safetensors.Tensor{Name: want.Name, DType: want.DType, Shape: want.Shape})
		n, err := safetensors.ByteLen(want.DType, want.Shape)
		require.NoError(t, err)
		size += n
	}
	require.EqualValues(t, 65_248_815_744, size)
	header, err := safetensors.AppendHeader(nil, ts, nil, 8)
	require.NoError(t, err)
	dir := t.TempDir()
	files{layout.ConfigName: text, weights: header}.save(t, dir)
	if err := os.Truncate(filepath.Join(dir, weights), int64(len(header))+size); err != nil {
		t.Skipf("no sparse file of this size here: %v", err)
	}
	ck := openPath(t, dir)
	require.EqualValues(t, 13_240_576, ck.ExpertSize())
	require.Len(t, ck.Expert(expertfs.NewKey(35, 127)).Extents(), 6)
	require.EqualValues(t, 13_240_576, ck.Expert(expertfs.NewKey(35, 127)).Size())
	require.Panics(t, func() { ck.Expert(expertfs.NewKey(36, 0)) })
	require.Panics(t, func() { ck.Expert(expertfs.NewKey(0, 128)) })
	require.Panics(t, func() { ck.Dense(-1) })
}
