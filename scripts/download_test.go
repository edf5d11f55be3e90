package scripts

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// hub serves a repository as the Hugging Face hub does: a listing with sizes
// and checksums, and files that answer range requests.
type hub struct {
	*httptest.Server
	files map[string][]byte

	mu     sync.Mutex
	ranges map[string]string // the Range header of the last request for a path
	cut    string            // a path whose transfer breaks off half way
}

func newHub(t *testing.T) *hub {
	bytes := func(n int) []byte {
		b := make([]byte, n)
		r := rand.New(rand.NewPCG(1, uint64(n)))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	h := &hub{
		files: map[string][]byte{
			"config.json":                      []byte(`{"model_type": "gpt_oss"}`),
			"tokenizer.json":                   bytes(10_000),
			"original/config.json":             []byte(`{"num_hidden_layers": 1}`),
			"original/model.safetensors":       bytes(300_000),
			"model-00000-of-00001.safetensors": bytes(200_000),
			"model.safetensors.index.json":     []byte(`{"weight_map": {}}`),
			"metal/model.bin":                  bytes(1_000),
		},
		ranges: map[string]string{},
	}
	const repo = "/openai/gpt-oss-20b"
	mux := http.NewServeMux()
	mux.HandleFunc("/api/models"+repo+"/tree/main", h.list)
	mux.HandleFunc(repo+"/resolve/main/", func(w http.ResponseWriter, r *http.Request) {
		h.serve(w, r, strings.TrimPrefix(r.URL.Path, repo+"/resolve/main/"))
	})
	h.Server = httptest.NewServer(mux)
	t.Cleanup(h.Close)
	return h
}

func (h *hub) list(w http.ResponseWriter, _ *http.Request) {
	type lfs struct {
		OID  string `json:"oid"`
		Size int    `json:"size"`
	}
	type entry struct {
		Type string `json:"type"`
		OID  string `json:"oid"`
		Size int    `json:"size"`
		LFS  *lfs   `json:"lfs,omitempty"`
		Path string `json:"path"`
	}
	entries := []entry{{Type: "directory", OID: "0", Path: "original"}}
	for path, data := range h.files {
		blob := append(fmt.Appendf(nil, "blob %d\x00", len(data)), data...)
		e := entry{Type: "file", OID: fmt.Sprintf("%x", sha1.Sum(blob)), Size: len(data), Path: path}
		if strings.HasSuffix(path, ".safetensors") {
			e.LFS = &lfs{fmt.Sprintf("%x", sha256.Sum256(data)), len(data)}
		}
		entries = append(entries, e)
	}
	json.NewEncoder(w).Encode(entries)
}

func (h *hub) serve(w http.ResponseWriter, r *http.Request, path string) {
	data, ok := h.files[path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h.mu.Lock()
	h.ranges[path] = r.Header.Get("Range")
	cut := h.cut == path
	h.mu.Unlock()
	if cut {
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		w.Write(data[:len(data)/2])
		panic(http.ErrAbortHandler)
	}
	http.ServeContent(w, r, path, time.Time{}, strings.NewReader(string(data)))
}

func (h *hub) breakTransfersOf(path string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cut = path
}

func (h *hub) rangeOf(path string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ranges[path]
}

// download runs the script against the hub, with bin before PATH.
func download(t *testing.T, h *hub, bin string, args ...string) (string, error) {
	t.Helper()
	for _, tool := range []string{"bash", "curl", "numfmt"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(tool, "is not installed")
		}
	}
	cmd := exec.Command("./download-gptoss.sh", args...)
	cmd.Env = append(os.Environ(), "HF_ENDPOINT="+h.URL, "PATH="+bin+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func requireFiles(t *testing.T, h *hub, dir string, want ...string) {
	t.Helper()
	for _, path := range want {
		got, err := os.ReadFile(filepath.Join(dir, path))
		require.NoError(t, err)
		require.Equal(t, h.files[path], got, path)
	}
	var n int
	require.NoError(t, filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	}))
	require.Equal(t, len(want), n, "files in the folder")
}

func TestDownloadFetchesOneLayoutAndChecksIt(t *testing.T) {
	for layout, want := range map[string][]string{
		"original": {"config.json", "tokenizer.json", "original/config.json", "original/model.safetensors"},
		"hf":       {"config.json", "tokenizer.json", "model-00000-of-00001.safetensors", "model.safetensors.index.json"},
	} {
		h, dir := newHub(t), t.TempDir()
		out, err := download(t, h, t.TempDir(), "20b", "--layout", layout, dir)
		require.NoError(t, err, out)
		require.Contains(t, out, "to fetch")
		require.Contains(t, out, "complete: expertfs mount "+dir)
		requireFiles(t, h, dir, want...)
	}
}

func TestDownloadGoesOnWhereItStopped(t *testing.T) {
	const path = "original/model.safetensors"
	h, dir, bin := newHub(t), t.TempDir(), t.TempDir()
	h.breakTransfersOf(path)
	out, err := download(t, h, bin, "20b", dir)
	require.Error(t, err, out)
	require.Contains(t, out, "run the same command again")
	require.FileExists(t, filepath.Join(dir, path+".part"))

	h.breakTransfersOf("")
	out, err = download(t, h, bin, "20b", dir)
	require.NoError(t, err, out)
	require.NotEmpty(t, h.rangeOf(path), "the second run asks for the rest alone")
	requireFiles(t, h, dir, "config.json", "tokenizer.json", "original/config.json", path)
}

func TestDownloadRefusesDamage(t *testing.T) {
	const path = "original/model.safetensors"
	h, dir, bin := newHub(t), t.TempDir(), t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "original"), 0o755))
	damaged := append([]byte(nil), h.files[path]...)
	damaged[7] ^= 1
	require.NoError(t, os.WriteFile(filepath.Join(dir, path+".part"), damaged, 0o644))

	out, err := download(t, h, bin, "20b", dir)
	require.Error(t, err, out)
	require.Contains(t, out, "its checksum is wrong")
	out, err = download(t, h, bin, "20b", dir)
	require.NoError(t, err, out)
	requireFiles(t, h, dir, "config.json", "tokenizer.json", "original/config.json", path)
}

// The hf command does the transfer where it is installed; what it leaves is checked all the same.
func TestDownloadUsesTheHubsOwnCommand(t *testing.T) {
	h, dir, bin := newHub(t), t.TempDir(), t.TempDir()
	fake := `#!/bin/bash
shift 2
while [ "$1" != --local-dir ]; do want+=("$1"); shift; done
for f in "${want[@]}"; do mkdir -p "$2/$(dirname "$f")"; curl -fsS -o "$2/$f" "$HF_ENDPOINT/openai/gpt-oss-20b/resolve/main/$f"; done
`
	require.NoError(t, os.WriteFile(filepath.Join(bin, "hf"), []byte(fake), 0o755))
	out, err := download(t, h, bin, "20b", "--layout=hf", dir)
	require.NoError(t, err, out)
	require.NotContains(t, out, "fetching")
	requireFiles(t, h, dir, "config.json", "tokenizer.json", "model-00000-of-00001.safetensors", "model.safetensors.index.json")
}

func TestDownloadSaysWhatIsWrong(t *testing.T) {
	h, dir, bin := newHub(t), t.TempDir(), t.TempDir()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"7b", dir}, "want 20b or 120b"},
		{[]string{"20b", "--layout", "gguf", dir}, "want original or hf"},
		{[]string{"20b", "--fast", dir}, "unknown flag --fast"},
		{[]string{"120b", dir}, "cannot list openai/gpt-oss-120b"},
	} {
		out, err := download(t, h, bin, c.args...)
		require.Error(t, err)
		require.Contains(t, out, c.want)
	}
}
