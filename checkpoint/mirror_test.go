package checkpoint

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"expertfs/checkpoint/layout"
	"expertfs/checkpoint/source"

	"github.com/stretchr/testify/require"
)

// openMirrored opens a checkpoint with mirrors.
func openMirrored(t *testing.T, own string, mirrors ...string) *Checkpoint {
	t.Helper()
	c, err := OpenWith(own, Options{Mirrors: mirrors})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func TestMirrors(t *testing.T) {
	root := t.TempDir()
	at := func(name string) string { return filepath.Join(root, name) }
	f := sample(t, layout.HuggingFace, 3)
	f.save(t, at("own"))
	f.save(t, at("whole"))
	part := files{}
	for name, data := range f {
		if name != "partb.safetensors" && name != "tokenizer.json" {
			part[name] = data
		}
	}
	part.save(t, at("part"))
	saveCache(t, at("models--me--oss"), "0123", f)

	require.Nil(t, openPath(t, at("own")).Mirrors())
	own := openPath(t, at("own"))
	for _, mirrors := range [][]string{{"whole"}, {"part"}, {"models--me--oss"}, {"whole", "part"}} {
		for i := range mirrors {
			mirrors[i] = at(mirrors[i])
		}
		c := openMirrored(t, at("own"), mirrors...)
		require.Equal(t, own.ID(), c.ID())
		require.Equal(t, append([]string{at("own")}, mirrors...), c.Mirrors().Names())
		for i, s := range c.Files() {
			want := 1 + len(mirrors)
			if s.Name() == "partb.safetensors" && slices.Contains(mirrors, at("part")) {
				want--
			}
			require.Equal(t, want, source.Copies(s), s.Name())
			require.Equal(t, source.Path(own.Files()[i]), source.Path(s))
		}
		require.Len(t, c.Mirrors().SameDrive(), len(mirrors))
		for _, s := range c.Mirrors().Stats() {
			require.True(t, s.Serves)
			require.GreaterOrEqual(t, s.Files, 3)
		}
	}
}

// TestMirrorOfOriginal finds the folders of both layouts that a repository has, and the
// tokenizer beside them.
func TestMirrorOfOriginal(t *testing.T) {
	root := t.TempDir()
	f := sample(t, layout.OpenAI, 1)
	delete(f, "tokenizer.json")
	for _, name := range []string{"own", "other"} {
		f.save(t, filepath.Join(root, name, "original"))
		files{"tokenizer.json": []byte("{}")}.save(t, filepath.Join(root, name))
	}
	c := openMirrored(t, filepath.Join(root, "own"), filepath.Join(root, "other"))
	for _, s := range append(slices.Clone(c.Files()), c.Small()...) {
		require.Equal(t, 2, source.Copies(s), s.Name())
	}
	require.NoError(t, os.Rename(filepath.Join(root, "own"), filepath.Join(root, "gone")))
	for _, s := range c.Small() {
		data := make([]byte, s.Size())
		_, err := source.Reader(s).ReadAt(data, 0)
		require.NoError(t, err, s.Name())
	}
}

func TestMirrorOfAFile(t *testing.T) {
	weights, err := os.ReadFile("gguf/testdata/ollama4-bf16.gguf")
	require.NoError(t, err)
	root := t.TempDir()
	at := func(name string) string { return filepath.Join(root, filepath.FromSlash(name)) }
	digest := saveOllama(t, at("models"), weights)
	blob := "sha256-" + digest[len("sha256:"):]
	saveManifest(t, at("models"), "registry.ollama.ai/library/gpt-oss/20b", `{"layers":[{"mediaType":"application/vnd.ollama.image.model","digest":"`+digest+`"}]}`)
	saveOllama(t, at("second"), weights)
	files{"model.gguf": weights}.save(t, at("a"))
	files{"model.gguf": weights, "another.gguf": weights[:1000]}.save(t, at("b"))
	t.Setenv("OLLAMA_MODELS", at("models"))

	for _, c := range []struct{ own, mirror string }{
		{"ollama:gpt-oss:20b", at("second")},
		{"ollama:gpt-oss:20b", at("second/blobs")},
		{at("models/blobs/" + blob), at("second/blobs/" + blob)},
		{at("a/model.gguf"), at("b")},
		{at("a"), at("b")},
		{at("a"), at("b/model.gguf")},
	} {
		for _, s := range openMirrored(t, c.own, c.mirror).Files() {
			require.Equal(t, 2, source.Copies(s), c)
		}
	}
	_, err = OpenWith(at("a/model.gguf"), Options{Mirrors: []string{at("second/blobs/" + blob)}})
	require.ErrorContains(t, err, "a copy of a file has its name")
}

func TestMirrorsThatAreRefused(t *testing.T) {
	root := t.TempDir()
	at := func(name string) string { return filepath.Join(root, name) }
	f := sample(t, layout.HuggingFace, 2)
	f.save(t, at("own"))
	with := func(name string, change func(data []byte) []byte) string {
		other := files{}
		for n, data := range f {
			if n == name {
				data = change(slices.Clone(data))
			}
			other[n] = data
		}
		dir := filepath.Join(t.TempDir(), "mirror")
		other.save(t, dir)
		return dir
	}
	shard := "parta.safetensors"
	for says, mirror := range map[string]string{
		shard + ": has other bytes":                with(shard, func(d []byte) []byte { d[20]++; return d }),
		shard + ": has ":                           with(shard, func(d []byte) []byte { return d[:len(d)-1] }),
		"config.json: has":                         with("config.json", func(d []byte) []byte { return append(d, '\n') }),
		"own file":                                 at("own"),
		"has none of the checkpoint's files":       t.TempDir(),
		"no such folder":                           at("absent"),
		"hf://openai/gpt-oss-20b: is on a network": "hf://openai/gpt-oss-20b",
	} {
		_, err := OpenWith(at("own"), Options{Mirrors: []string{mirror}})
		require.ErrorContains(t, err, says, mirror)
	}
	for _, own := range []string{"embed:tiny", "s3://bucket/prefix", "https://host/path/"} {
		_, err := OpenWith(own, Options{Mirrors: []string{at("own")}})
		require.ErrorContains(t, err, "a mirror is a second copy of a checkpoint on a drive")
	}
}
