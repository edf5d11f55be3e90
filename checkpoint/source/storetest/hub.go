package storetest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Commit is the commit that a Hub's revisions are.
const Commit = "0123456789abcdef0123456789abcdef01234567"

// Token is what a Hub asks for.
const Token = "hf_a-token-that-no-log-may-have"

// Hub is a hub with one repository: it redirects requests for large files to
// another server, by addresses that are signed, and tells that server no token.
type Hub struct {
	*Server
	Content *Server // where it redirects to

	// NamesOnly has it tell the names of files and no more, as mirrors do.
	NamesOnly bool

	files     map[string][]byte
	signature string // that addresses must have now
}

// largeFile is from what length on files are redirected, bytes.
const largeFile = 1000

// NewHub serves files as the repository owner/name, and points the environment to it.
func NewHub(t *testing.T, files map[string][]byte) *Hub {
	t.Helper()
	h := &Hub{files: files, signature: "signed-1"}
	h.Content = Serve(t, http.HandlerFunc(h.content))
	h.Server = Serve(t, http.HandlerFunc(h.hub))
	t.Setenv("HF_ENDPOINT", h.URL)
	t.Setenv("HF_TOKEN", Token)
	return h
}

// Expire has addresses that were given be valid no longer.
func (h *Hub) Expire() { h.signature += "1" }

func (h *Hub) hub(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+Token {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if rest, ok := strings.CutPrefix(r.URL.Path, "/api/models/owner/name/revision/"); ok && rest == "main" || rest == Commit {
		h.describe(w)
		return
	}
	name, ok := strings.CutPrefix(r.URL.Path, "/owner/name/resolve/"+Commit+"/")
	data, found := h.files[name]
	if !ok || !found {
		http.NotFound(w, r)
		return
	}
	sum := sha256.Sum256(data)
	w.Header().Set("X-Repo-Commit", Commit)
	w.Header().Set("X-Linked-Etag", `"`+hex.EncodeToString(sum[:])+`"`)
	if len(data) >= largeFile {
		w.Header().Set("X-Linked-Size", strconv.Itoa(len(data)))
		http.Redirect(w, r, h.Content.URL+"/"+name+"?X-Amz-Signature="+h.signature, http.StatusFound)
		return
	}
	serveContent(w, r, name, data)
}

func (h *Hub) content(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "" || r.URL.Query().Get("X-Amz-Signature") != h.signature {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	serveContent(w, r, name, h.files[name])
}

func (h *Hub) describe(w http.ResponseWriter) {
	type lfs struct {
		SHA256 string `json:"sha256"`
		Size   int    `json:"size"`
	}
	type sibling struct {
		Name string `json:"rfilename"`
		Size int    `json:"size,omitempty"`
		Blob string `json:"blobId,omitempty"`
		LFS  *lfs   `json:"lfs,omitempty"`
	}
	info := map[string]any{"id": "owner/name", "sha": Commit, "lastModified": time.Unix(1e9, 0)}
	var siblings []sibling
	for name, data := range h.files {
		sum := sha256.Sum256(data)
		s := sibling{Name: name, Size: len(data), Blob: hex.EncodeToString(sum[:20])}
		if h.NamesOnly {
			siblings = append(siblings, sibling{Name: name})
			continue
		}
		if len(data) >= largeFile {
			s.LFS = &lfs{hex.EncodeToString(sum[:]), len(data)}
		}
		siblings = append(siblings, s)
	}
	info["siblings"] = siblings
	_ = json.NewEncoder(w).Encode(info)
}

func serveContent(w http.ResponseWriter, r *http.Request, name string, data []byte) {
	sum := sha256.Sum256(data)
	w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:8])+`"`)
	http.ServeContent(w, r, name, time.Unix(1e9, 0), bytes.NewReader(data))
}

// Web serves files by their paths as a web server, with a page that lists them if
// listed.
func Web(t testing.TB, files map[string][]byte, listed bool) *Server {
	t.Helper()
	return Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/")
		data, ok := files[name]
		switch {
		case ok:
			serveContent(w, r, name, data)
		case listed && strings.HasSuffix(name, "/"):
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			page := `<html><a href="../">up</a><a href="https://elsewhere.example/x.json">other</a>`
			for file := range files {
				if rest, ok := strings.CutPrefix(file, name); ok && !strings.Contains(rest, "/") {
					page += `<a href="` + rest + `">` + rest + "</a>\n"
				}
			}
			_, err := w.Write([]byte(page))
			require.NoError(t, err)
		default:
			http.NotFound(w, r)
		}
	}))
}
