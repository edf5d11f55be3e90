package checkpoint

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// saveOllama keeps a file as Ollama does, under the name of its content, and
// returns the name.
func saveOllama(t *testing.T, models string, data []byte) string {
	t.Helper()
	sum := sha256.Sum256(data)
	digest := hex.EncodeToString(sum[:])
	require.NoError(t, os.MkdirAll(filepath.Join(models, "blobs"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(models, "blobs", "sha256-"+digest), data, 0o644))
	return "sha256:" + digest
}

// saveManifest gives a model a name: HOST/NAMESPACE/MODEL/TAG.
func saveManifest(t *testing.T, models, name, text string) {
	t.Helper()
	path := filepath.Join(models, "manifests", name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}

func TestOllama(t *testing.T) {
	weights, err := os.ReadFile("gguf/testdata/ollama4-bf16.gguf")
	require.NoError(t, err)
	models := filepath.Join(t.TempDir(), ".ollama", "models")
	digest := saveOllama(t, models, weights)
	manifest := fmt.Sprintf(`{"schemaVersion":2,"config":{"digest":"sha256:00"},"layers":[{"mediaType":"application/vnd.ollama.image.license","digest":"x"},
		{"mediaType":"application/vnd.ollama.image.model","digest":%q,"size":1}]}`, digest)
	for _, name := range []string{"registry.ollama.ai/library/gpt-oss/20b", "registry.ollama.ai/library/gpt-oss/latest", "registry.ollama.ai/me/oss/q4", "host:5000/me/oss/q4"} {
		saveManifest(t, models, name, manifest)
	}
	t.Run("the variable", func(t *testing.T) {
		t.Setenv("OLLAMA_MODELS", models)
		for name, want := range map[string]string{
			"ollama:gpt-oss:20b": "gpt-oss:20b", "ollama:gpt-oss": "gpt-oss", "ollama:me/oss:q4": "me/oss:q4", "ollama:host:5000/me/oss:q4": "host:5000/me/oss:q4",
		} {
			c := openPath(t, name)
			require.Equal(t, want, c.Name())
			require.Equal(t, "gguf", c.Format())
		}
		// The path of the file itself is as good.
		require.Equal(t, openPath(t, "ollama:gpt-oss").ID(), openPath(t, onlyBlob(t, models)).ID())
	})
	t.Run("home", func(t *testing.T) {
		t.Setenv("OLLAMA_MODELS", "")
		t.Setenv("HOME", filepath.Dir(filepath.Dir(models)))
		require.Equal(t, "gpt-oss:20b", openPath(t, "ollama:gpt-oss:20b").Name())
	})
	t.Run("refused", func(t *testing.T) {
		t.Setenv("OLLAMA_MODELS", models)
		save := func(name, text string) string {
			saveManifest(t, models, "registry.ollama.ai/library/"+name+"/latest", text)
			return "ollama:" + name
		}
		layer := `{"layers":[{"mediaType":"application/vnd.ollama.image.model","digest":%q}]}`
		for name, want := range map[string]string{
			"ollama:other":        "no such model in " + models,
			"ollama:gpt-oss:120b": "no such model",
			"ollama:":             "expected a name like",
			"ollama:../../x":      "expected a name like",
			"ollama:a/b/c/d/e":    "expected a name like",
			"ollama:a:b:c/..":     "expected a name like",
			save("garbage", "{"):  "not the JSON of a manifest",
			save("empty", "{}"):   "names no file with weights",
			save("bad", fmt.Sprintf(layer, "sha256:../../etc/passwd")):                           "is no SHA-256",
			save("gone", fmt.Sprintf(layer, "sha256:"+hex.EncodeToString(make([]byte, 32)))):     "`ollama pull gone` downloads it",
			save("adapter", `{"layers":[{"mediaType":"application/vnd.ollama.image.adapter"}]}`): "has an adapter",
		} {
			_, err := Open(name)
			require.ErrorContains(t, err, want, name)
			oneLine(t, err)
		}
	})
}

// onlyBlob is the path of the only file with weights.
func onlyBlob(t *testing.T, models string) string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(models, "blobs", "*"))
	require.NoError(t, err)
	require.Len(t, paths, 1)
	return paths[0]
}
