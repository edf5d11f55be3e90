package hub

import (
	"cmp"
	"crypto/rand"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

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
	keys := map[string]string{}
	for name, want := range map[string]string{
		"//openai/gpt-oss-20b": "hf://openai/gpt-oss-20b", "//o/n@refs/pr/1": "hf://o/n@refs/pr/1", "//o/n@main": "hf://o/n", "//o/n/": "hf://o/n",
		"//o/n@v1.0": "hf://o/n@v1.0", "//o/n@main-2": "hf://o/n@main-2", "//o/n@feature/x": "hf://o/n@feature/x", "//o/n@feature%2Fx": "hf://o/n@feature/x",
		"//o/n/UD-Q4_K_XL/": "hf://o/n/UD-Q4_K_XL", "//o/n@main/a/b": "hf://o/n/a/b", "//o/n@refs/pr/1/a": "hf://o/n@refs/pr/1/a",
		"//o/n@" + storetest.Commit + "/a": "hf://o/n@" + storetest.Commit + "/a", "//o/n@feature%2Fx/a": "hf://o/n@feature%2Fx/a", "//o/n@feature/x/a": "hf://o/n@feature/x/a",
		"//o/n@main%2Fx": "hf://o/n@main%2Fx",
	} {
		f, err := New(name, false, nil)
		require.NoError(t, err, name)
		require.Equal(t, want, f.Store().Name())
		again, err := New(strings.TrimPrefix(want, "hf:"), false, nil)
		require.NoError(t, err, want)
		require.Equal(t, want, again.Store().Name())
		require.Equal(t, f.Store().Key(), again.Store().Key())
		require.Equal(t, want, cmp.Or(keys[f.Store().Key()], want), "two places share a cache")
		keys[f.Store().Key()] = want
	}
	for _, name := range []string{"", "//o", "o/n", "//../n", "//o/n@", "//o/n@a b", "//o/n/../x", "//o/n/.git", "//o/n@a/../b", "//o/n@a%2F../b", "//o/n@%zz", "//o/n/a b"} {
		_, err := New(name, false, nil)
		require.ErrorContains(t, err, "expected a name like", name)
	}
	t.Setenv("HF_ENDPOINT", "http://mirror.example")
	_, err := New("//o/n", false, nil)
	require.ErrorContains(t, err, "--plain-http")
	_, err = New("//o/n", true, nil)
	require.NoError(t, err)
}

func TestAFolderOfARepository(t *testing.T) {
	files := repository()
	storetest.NewHub(t, files)
	f := open(t, "//owner/name/original")
	names, err := f.List()
	require.NoError(t, err)
	require.Equal(t, []string{"model.safetensors"}, names)
	s, err := f.Open("model.safetensors")
	require.NoError(t, err)
	got, err := io.ReadAll(source.Section(s))
	require.NoError(t, err)
	require.Equal(t, files["original/model.safetensors"], got)
	require.NotEqual(t, open(t, "//owner/name").Store().Key(), f.Store().Key())
	_, err = open(t, "//owner/name/orig").List()
	require.ErrorIs(t, err, remote.ErrAbsent)
	require.ErrorContains(t, err, `no folder "orig"`)
}

// A repository that was renamed is found by its old name: the hub redirects, within itself.
func TestARepositoryThatWasRenamed(t *testing.T) {
	files := repository()
	h := storetest.NewHub(t, files)
	h.SetFault(func(w http.ResponseWriter, r *http.Request, serve http.Handler) {
		if path := strings.Replace(r.URL.RequestURI(), "old/gone", "owner/name", 1); path != r.URL.RequestURI() {
			http.Redirect(w, r, path, http.StatusTemporaryRedirect)
			return
		}
		serve.ServeHTTP(w, r)
	})
	for _, namesOnly := range []bool{false, true} {
		h.NamesOnly = namesOnly
		f := open(t, "//old/gone")
		l, err := f.Listing(t.Context())
		require.NoError(t, err)
		for name := range files {
			if name == ".gitattributes" {
				continue
			}
			require.EqualValues(t, len(files[name]), l.Find(name).Size, name)
			s, err := f.Open(name)
			require.NoError(t, err)
			got, err := io.ReadAll(source.Section(s))
			require.NoError(t, err)
			require.Equal(t, files[name], got)
		}
		require.Len(t, l.Find("model.safetensors").SHA256, 64)
	}
}

// What the hub refuses is told with what to do about it.
func TestRefusals(t *testing.T) {
	h := storetest.NewHub(t, repository())
	for _, c := range []struct {
		status        int
		code, message string
		token         string
		says          string
	}{
		{401, "GatedRepo", "Access to model owner/name is restricted.", "", "/owner/name, then set HF_TOKEN"},
		{403, "GatedRepo", "", "x", "has not been given access: ask for it at " + h.URL + "/owner/name"},
		{403, "", "Access to this resource is disabled.", "x", "has closed this repository"},
		{401, "RepoNotFound", "Repository not found", "", "of a repository that does not exist it says the same"},
		{401, "", "Invalid credentials in Authorization header", "x", "is not valid, or may not read"},
		{404, "RepoNotFound", "Repository not found", "x", "no such repository, or the token in HF_TOKEN"},
		{404, "RevisionNotFound", "", "x", `no revision "v2/x"`},
		{404, "EntryNotFound", "", "x", "no such file"},
		{429, "", "", "", "set HF_TOKEN, for which it allows more"},
	} {
		t.Setenv("HF_TOKEN", c.token)
		t.Setenv("HF_HOME", t.TempDir())
		h.SetFault(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			w.Header().Set("X-Error-Code", c.code)
			w.Header().Set("X-Error-Message", c.message)
			w.WriteHeader(c.status)
		})
		_, err := open(t, "//owner/name@v2/x").List()
		require.ErrorContains(t, err, c.says)
	}
}

// Who is asked to wait waits, unless that is too long: then nobody asks again.
func TestThePlaceAsksToWait(t *testing.T) {
	h := storetest.NewHub(t, repository())
	ask := func(header, value string, times int64) (requests int64, err error) {
		var seen atomic.Int64
		h.SetFault(func(w http.ResponseWriter, r *http.Request, serve http.Handler) {
			if seen.Add(1) > times {
				serve.ServeHTTP(w, r)
				return
			}
			w.Header().Set(header, value)
			w.WriteHeader(http.StatusTooManyRequests)
		})
		_, err = open(t, "//owner/name").List()
		return seen.Load(), err
	}
	for header, value := range map[string]string{
		"RateLimit": `"api";r=0;t=1000`, "Retry-After": "1000", "retry-after": time.Now().Add(1000 * time.Second).UTC().Format(http.TimeFormat),
	} {
		requests, err := ask(header, value, 1)
		require.ErrorContains(t, err, "asks to wait 16m", header)
		require.EqualValues(t, 1, requests)
	}
	for header, value := range map[string]string{"RateLimit": `"api";r=0;t=0`, "Retry-After": "soon"} {
		requests, err := ask(header, value, 2)
		require.NoError(t, err)
		require.EqualValues(t, 3, requests)
	}
	began := time.Now()
	requests, err := ask("RateLimit", `"resolvers";r=0;t=1`, 1)
	require.NoError(t, err)
	require.EqualValues(t, 2, requests)
	require.GreaterOrEqual(t, time.Since(began), time.Second)
}

func TestATokenFileBelowTheHome(t *testing.T) {
	home := t.TempDir()
	for name, value := range map[string]string{"HOME": home, "HF_TOKEN": " ", "HUGGING_FACE_HUB_TOKEN": "", "HF_HOME": "~/hf", "HF_TOKEN_PATH": ""} {
		t.Setenv(name, value)
	}
	require.NoError(t, os.Mkdir(filepath.Join(home, "hf"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(home, "hf", "token"), []byte("abc\r\n"), 0o600))
	token, err := findToken()
	require.NoError(t, err)
	require.Equal(t, "abc", token)
	t.Setenv("HF_TOKEN_PATH", "~/none")
	token, err = findToken()
	require.NoError(t, err)
	require.Empty(t, token)
}
