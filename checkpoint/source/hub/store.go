package hub

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"expertfs/checkpoint/source"
	"expertfs/checkpoint/source/remote"

	"golang.org/x/sync/errgroup"
)

// defaultEndpoint is the hub itself.
const defaultEndpoint = "https://huggingface.co"

// maxInfo is the longest description of a repository, bytes, that is read.
const maxInfo = 32 << 20

// store is a repository at a revision.
type store struct {
	endpoint *url.URL
	repo     string // "owner/name"
	revision string // as it was named
	dir      string // in the repository: "", or with a slash at its end
	token    string // "" for none
	client   *http.Client

	mu sync.Mutex
	// GUARDED BY mu.
	elsewhere map[string]target // by the path at the hub
}

// target is where the hub redirected to.
type target struct {
	address string // signed: never shown
	until   time.Time
}

// targetTime is how long a target is used again, without asking the hub. It is
// valid for longer.
const targetTime = 10 * time.Minute

// New returns the folder of what comes after "hf:" in a name. Nothing is asked yet.
// Base is what makes the requests, nil for the real one; plain allows HF_ENDPOINT
// to be another machine without encryption.
func New(rest string, plain bool, base http.RoundTripper) (*remote.Folder, error) {
	s := &store{elsewhere: map[string]target{}}
	if !s.parse(rest) {
		return nil, fmt.Errorf("hf:%s: expected a name like hf://openai/gpt-oss-20b, with @revision after it or without, and a folder of it or none", source.Printable(rest))
	}
	endpoint, err := url.Parse(strings.TrimRight(cmp.Or(os.Getenv("HF_ENDPOINT"), defaultEndpoint), "/"))
	if err != nil || endpoint.Host == "" || endpoint.User != nil {
		return nil, errors.New("HF_ENDPOINT: expected an address like https://host") // not shown: it may hold a password
	}
	if err := remote.CheckAddress(endpoint, plain); err != nil {
		return nil, fmt.Errorf("HF_ENDPOINT: %w", err)
	}
	if s.token, err = findToken(); err != nil {
		return nil, err
	}
	s.endpoint = endpoint
	transport := remote.NewTransport(base)
	s.client = &http.Client{Transport: transport, CheckRedirect: s.redirected}
	return remote.NewFolder(s, transport), nil
}

// redirected keeps the token to the hub. A repository that was renamed has redirections
// within the hub.
func (s *store) redirected(r *http.Request, via []*http.Request) error {
	tells := r.Response != nil && r.Response.Header.Get("X-Linked-Size") != ""
	if r.Context().Value(stay{}) != nil && (tells || r.URL.Host != s.endpoint.Host) {
		return http.ErrUseLastResponse
	}
	if r.URL.Host != s.endpoint.Host {
		r.Header.Del("Authorization")
	}
	return remote.CheckRedirect(r, via)
}

func (s *store) Name() string {
	if s.revision == "main" {
		return strings.TrimSuffix("hf://"+s.repo+"/"+s.dir, "/")
	}
	return "hf://" + s.full()
}

// Setting implements remote.Store.
func (s *store) Setting() string { return "HF_ENDPOINT, which is huggingface.co unless it is set" }

func (s *store) Key() string { return s.endpoint.String() + "/" + s.full() }

// ask makes a request of the hub, or where it has redirected to.
func (s *store) ask(ctx context.Context, method, address string, header map[string]string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", "expertfs")
	r.Header.Set("Accept-Encoding", "identity")
	if s.token != "" && r.URL.Host == s.endpoint.Host {
		r.Header.Set("Authorization", "Bearer "+s.token)
	}
	for k, v := range header {
		r.Header.Set(k, v)
	}
	return s.client.Do(r)
}

// info is what the hub says of a repository.
type info struct {
	SHA          string    `json:"sha"`
	LastModified time.Time `json:"lastModified"`
	Siblings     []struct {
		Name string `json:"rfilename"`
		Size int64  `json:"size"`
		Blob string `json:"blobId"`
		LFS  *struct {
			SHA256 string `json:"sha256"`
			Size   int64  `json:"size"`
		} `json:"lfs"`
	} `json:"siblings"`
}

// List implements remote.Store.
func (s *store) List(ctx context.Context) (*remote.Listing, error) {
	r, err := s.ask(ctx, http.MethodGet, s.endpoint.String()+"/api/models/"+s.repo+"/revision/"+url.PathEscape(s.revision)+"?blobs=true", nil)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return nil, s.refusal(r)
	}
	var i info
	if err := json.NewDecoder(io.LimitReader(r.Body, maxInfo)).Decode(&i); err != nil {
		return nil, fmt.Errorf("what the hub says of the repository is no JSON: %w", err)
	}
	if i.SHA == "" || len(i.Siblings) == 0 {
		return nil, remote.Permanent(errors.New("the hub names no commit, or no files"))
	}
	l := &remote.Listing{Revision: i.SHA}
	for _, f := range i.Siblings {
		name, here := strings.CutPrefix(f.Name, s.dir)
		if !here {
			continue
		}
		file := &remote.File{Name: name, Size: f.Size, ETag: f.Blob, ModTime: i.LastModified}
		if f.LFS != nil {
			file.Size, file.SHA256, file.ETag = f.LFS.Size, f.LFS.SHA256, f.LFS.SHA256
		}
		l.Files = append(l.Files, file)
		if len(l.Files) > remote.MaxFiles {
			return nil, remote.ErrTooMany
		}
	}
	if len(l.Files) == 0 {
		return nil, remote.Absent(fmt.Errorf("the repository has no folder %q", strings.TrimSuffix(s.dir, "/")))
	}
	return l, s.complete(ctx, l)
}

// questions is how many files are asked for at a time.
const questions = 16

// complete asks for the files of which the hub has told the names alone, as mirrors
// of it do.
func (s *store) complete(ctx context.Context, l *remote.Listing) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(questions)
	for _, f := range l.Files {
		if f.ETag == "" {
			g.Go(func() error { return s.head(ctx, l, f) })
		}
	}
	return g.Wait()
}

// sha256Hex matches the etag of a large file, which is its hash.
var sha256Hex = regexp.MustCompile(`^[0-9a-f]{64}$`)

// head asks for the length and the etag of a file. Of a large one the hub tells
// them itself, in the answer that redirects.
func (s *store) head(ctx context.Context, l *remote.Listing, f *remote.File) error {
	r, err := s.ask(context.WithValue(ctx, stay{}, true), http.MethodHead, s.endpoint.String()+s.path(l, f), nil)
	if err != nil {
		return err
	}
	r.Body.Close()
	if r.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s: %w", f.Name, s.refusal(r))
	}
	f.Size = r.ContentLength
	if linked, err := strconv.ParseInt(r.Header.Get("X-Linked-Size"), 10, 64); err == nil {
		f.Size = linked
	}
	f.ETag = strings.Trim(cmp.Or(r.Header.Get("X-Linked-Etag"), r.Header.Get("ETag")), `"`)
	if sha256Hex.MatchString(f.ETag) {
		f.SHA256 = f.ETag
	}
	if f.Size < 0 {
		return remote.Permanent(fmt.Errorf("%s: the hub does not tell its length", f.Name))
	}
	return nil
}

// stay is the key of contexts of requests that follow no redirection.
type stay struct{}

// path is where the hub has a file.
func (s *store) path(l *remote.Listing, f *remote.File) string {
	return (&url.URL{Path: "/" + s.repo + "/resolve/" + l.Revision + "/" + s.dir + f.Name}).EscapedPath()
}

// Get implements remote.Store. What a commit holds does not change, so that only
// the length is compared.
func (s *store) Get(ctx context.Context, l *remote.Listing, f *remote.File, off, n int64) (io.ReadCloser, error) {
	path := s.path(l, f)
	r, err := s.ask(ctx, http.MethodGet, s.where(path), map[string]string{"Range": fmt.Sprintf("bytes=%d-%d", off, off+n-1)})
	if err != nil {
		s.forget(path)
		return nil, err
	}
	if r.StatusCode == http.StatusOK || r.StatusCode == http.StatusPartialContent {
		err = remote.CheckRange(r.Header, off, n, f.Size)
	} else {
		err = s.refusal(r)
	}
	if err != nil {
		s.forget(path)
		r.Body.Close()
		return nil, err
	}
	if r.Request.URL.Host != s.endpoint.Host {
		s.mu.Lock()
		defer s.mu.Unlock()
		if _, known := s.elsewhere[path]; !known {
			s.elsewhere[path] = target{r.Request.URL.String(), time.Now().Add(targetTime)}
		}
	}
	return r.Body, nil
}

// where returns the address that a path at the hub is asked for by.
func (s *store) where(path string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok := s.elsewhere[path]; ok && time.Now().Before(t.until) {
		return t.address
	}
	delete(s.elsewhere, path)
	return s.endpoint.String() + path
}

// forget has the hub asked again.
func (s *store) forget(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.elsewhere, path)
}
