package hub

import (
	"crypto/rand"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"expertfs/checkpoint/source"
	"expertfs/checkpoint/source/remote"
	"expertfs/checkpoint/source/storetest"

	"github.com/stretchr/testify/require"
)

// repository is what the tests' hub has.
func repository() map[string][]byte {
	big := make([]byte, 300_000)
	_, _ = rand.Read(big) // never fails
	return map[string][]byte{"model.safetensors": big, "config.json": []byte("{}"), "original/model.safetensors": big[:5000], ".gitattributes": []byte("x")}
}

func open(t *testing.T, name string) *remote.Folder {
	t.Helper()
	f, err := New(name, false, nil)
	require.NoError(t, err)
	f.SetRetrying(storetest.Quick)
	return f
}

func TestFilesOfARepository(t *testing.T) {
	files := repository()
	h := storetest.NewHub(t, files)
	f := open(t, "//owner/name")
	names, err := f.List()
	require.NoError(t, err)
	require.Equal(t, []string{"config.json", "model.safetensors", "original"}, names)
	l, err := f.Listing(t.Context())
	require.NoError(t, err)
	require.Equal(t, storetest.Commit, l.Revision)
	require.Len(t, l.Find("model.safetensors").SHA256, 64)
	for name := range files {
		if name == ".gitattributes" {
			continue
		}
		s, err := f.Open(name)
		require.NoError(t, err)
		got, err := io.ReadAll(source.Section(s))
		require.NoError(t, err)
		require.Equal(t, files[name], got)
	}
	require.Positive(t, h.Content.Requests.Load())

	// Where the hub redirects to is remembered, until it is not valid any more.
	s, err := f.Open("model.safetensors")
	require.NoError(t, err)
	b, err := s.Bulk()
	require.NoError(t, err)
	read := func() {
		p := make([]byte, 1000)
		_, err := b.ReadAt(t.Context(), p, 777)
		require.NoError(t, err)
		require.Equal(t, files["model.safetensors"][777:1777], p)
	}
	before := h.Requests.Load()
	read()
	read()
	require.Equal(t, before, h.Requests.Load())
	h.Expire()
	read()
	require.Equal(t, before+1, h.Requests.Load())
	require.Zero(t, f.Figures().Errors)
	h.Content.SetFault(storetest.Times(2, storetest.Short))
	read()
	h.SetFault(storetest.Status(http.StatusTooManyRequests))
	h.Expire()
	_, err = b.ReadAt(t.Context(), make([]byte, 10), 0)
	require.ErrorContains(t, err, "429")
	require.NotContains(t, err.Error(), "signed")
}

func TestAMirrorThatTellsNamesOnly(t *testing.T) {
	files := repository()
	h := storetest.NewHub(t, files)
	whole, err := open(t, "//owner/name").Listing(t.Context())
	require.NoError(t, err)
	h.NamesOnly = true
	f := open(t, "//owner/name")
	l, err := f.Listing(t.Context())
	require.NoError(t, err)
	require.Equal(t, int64(300_000), l.Find("model.safetensors").Size)
	require.Equal(t, whole.Find("model.safetensors").SHA256, l.Find("model.safetensors").SHA256)
	require.Equal(t, int64(2), l.Find("config.json").Size)
	require.Zero(t, h.Content.Requests.Load())
	h.SetFault(storetest.Status(http.StatusUnauthorized))
	_, err = f.Ask(t.Context())
	require.ErrorContains(t, err, "HF_TOKEN")
}

func TestTheTokenIsFound(t *testing.T) {
	storetest.NewHub(t, repository())
	t.Setenv("HF_TOKEN", "")
	t.Setenv("HF_HOME", t.TempDir())
	_, err := open(t, "//owner/name").List()
	require.ErrorContains(t, err, "set HF_TOKEN")
	require.NoError(t, os.WriteFile(filepath.Join(os.Getenv("HF_HOME"), "token"), []byte(storetest.Token+"\n"), 0o600))
	_, err = open(t, "//owner/name@"+storetest.Commit).List()
	require.NoError(t, err)
	t.Setenv("HF_TOKEN", "wrong")
	_, err = open(t, "//owner/name").List()
	require.ErrorContains(t, err, "may not read this repository")
	require.NotContains(t, err.Error(), "wrong")
	_, err = open(t, "//owner/other").List()
	require.Error(t, err)
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"//openai/gpt-oss-20b": "hf://openai/gpt-oss-20b", "//o/n@refs/pr/1": "hf://o/n@refs/pr/1", "//o/n@main": "hf://o/n", "//o/n/": "hf://o/n",
	} {
		f, err := New(name, false, nil)
		require.NoError(t, err, name)
		require.Equal(t, want, f.Store().Name())
	}
	for _, name := range []string{"", "//o", "o/n", "//o/n/file", "//../n", "//o/n@", "//o/n@a b"} {
		_, err := New(name, false, nil)
		require.ErrorContains(t, err, "expected a name like", name)
	}
	t.Setenv("HF_ENDPOINT", "http://mirror.example")
	_, err := New("//o/n", false, nil)
	require.ErrorContains(t, err, "--plain-http")
	_, err = New("//o/n", true, nil)
	require.NoError(t, err)
}
