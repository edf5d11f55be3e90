package web

import (
	"crypto/rand"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"expertfs/checkpoint/source"
	"expertfs/checkpoint/source/remote"
	"expertfs/checkpoint/source/storetest"

	"github.com/stretchr/testify/require"
)

func site() map[string][]byte {
	big := make([]byte, 300_000)
	_, _ = rand.Read(big) // never fails
	return map[string][]byte{
		"m/model-00001-of-00002.safetensors": big, "m/model-00002-of-00002.safetensors": big[:100],
		"m/config.json": []byte("{}"), "m/original/config.json": []byte("[]"), "m/other.txt": []byte("x"),
		"m/" + indexName:          []byte(`{"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors", "c": "../x"}}`),
		"g/m-00001-of-00002.gguf": big[:10], "g/m-00002-of-00002.gguf": big[:20],
	}
}

func open(t *testing.T, address, file string) *remote.Folder {
	t.Helper()
	f, err := New(address, file, false, nil)
	require.NoError(t, err)
	f.SetRetrying(storetest.Quick)
	return f
}

func TestFilesBelowAnAddress(t *testing.T) {
	files := site()
	for _, listed := range []bool{false, true} {
		s := storetest.Web(t, files, listed)
		f := open(t, s.URL+"/m", "")
		names, err := f.List()
		require.NoError(t, err)
		want := []string{"config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", indexName, "original"}
		if listed {
			want = append(want, "other.txt")
		}
		require.Equal(t, want, names)
		file, err := f.Open("model-00001-of-00002.safetensors")
		require.NoError(t, err)
		got, err := io.ReadAll(source.Section(file))
		require.NoError(t, err)
		require.Equal(t, files["m/model-00001-of-00002.safetensors"], got)

		files["m/model-00001-of-00002.safetensors"] = append([]byte("another"), got[7:]...)
		b, err := file.Bulk()
		require.NoError(t, err)
		_, err = b.ReadAt(t.Context(), make([]byte, 10), 0)
		require.ErrorIs(t, err, remote.ErrChanged)
		files["m/model-00001-of-00002.safetensors"] = got

		f = open(t, s.URL+"/g/", "m-00002-of-00002.gguf")
		names, err = f.List()
		require.NoError(t, err)
		require.Equal(t, []string{"m-00001-of-00002.gguf", "m-00002-of-00002.gguf"}, names)
	}
}

// A server that looks at no condition, and answers with the whole file, is not believed
// that it is the same.
func TestAWholeFileThatChanged(t *testing.T) {
	version := "1"
	s := storetest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/m/config.json" {
			http.NotFound(w, r)
			return
		}
		if version != "" {
			w.Header().Set("ETag", `"`+version+`"`)
		}
		_, _ = w.Write([]byte("{}")) // whatever is asked for
	}))
	f := open(t, s.URL+"/m", "")
	file, err := f.Open("config.json")
	require.NoError(t, err)
	b, err := file.Bulk()
	require.NoError(t, err)
	_, err = b.ReadAt(t.Context(), make([]byte, 2), 0)
	require.NoError(t, err)
	for _, version = range []string{"2", ""} {
		_, err = b.ReadAt(t.Context(), make([]byte, 2), 0)
		require.ErrorIs(t, err, remote.ErrChanged, version)
	}
}

// Whoever asked with encryption is not led to where there is none, nor told where that is.
func TestRedirectionsWithoutEncryption(t *testing.T) {
	target := "http://127.0.0.1:1/x?X-Amz-Signature=secret"
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", target)
		w.WriteHeader(http.StatusFound)
	}))
	defer s.Close()
	f, err := New(s.URL+"/m", "", false, s.Client().Transport)
	require.NoError(t, err)
	f.SetRetrying(storetest.Quick)
	_, err = f.List()
	require.ErrorContains(t, err, "redirected to an address without encryption")
	require.NotContains(t, err.Error(), "secret")
	require.Zero(t, f.Figures().Retries)
	target = "https://127.0.0.1:1/%zz?X-Amz-Signature=secret"
	_, err = f.List()
	require.ErrorContains(t, err, "an address that is none")
	require.NotContains(t, err.Error(), "secret")
}

func TestServersThatWillNotDo(t *testing.T) {
	for name, c := range map[string]struct {
		serve http.HandlerFunc
		err   string
	}{
		"nothing": {http.NotFound, "no files of a checkpoint here"},
		"without a pin": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "2")
		}, "neither an etag nor a time"},
		"errors": {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusBadGateway) }, "502"},
		"whole files only": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"x"`)
			if r.URL.Path != "/m/config.json" {
				http.NotFound(w, r)
				return
			}
			_, _ = w.Write([]byte(strings.Repeat("x", 100)))
		}, "whole files only"},
	} {
		t.Run(name, func(t *testing.T) {
			s := storetest.Serve(t, c.serve)
			f := open(t, s.URL+"/m", "")
			_, err := f.List()
			if err == nil {
				var file source.Source
				file, err = f.Open("config.json")
				require.NoError(t, err)
				file, err = file.Bulk()
				require.NoError(t, err)
				_, err = file.ReadAt(t.Context(), make([]byte, 10), 10)
			}
			require.ErrorContains(t, err, c.err)
		})
	}
	for address, want := range map[string]string{
		"https://user:password@host/": "would be seen by everybody", "https://host/?X-Amz-Signature=secret": "would be seen by everybody",
		"http://host/": "--plain-http", "https:": "expected an address", "http://127.0.0.1:1/x": "", "http://[::1]/": "", "https://host": "",
	} {
		_, err := New(address, "", false, nil)
		if want == "" {
			require.NoError(t, err, address)
			continue
		}
		require.ErrorContains(t, err, want, address)
		require.NotContains(t, err.Error(), "password@")
		require.NotContains(t, err.Error(), "secret")
	}
}
