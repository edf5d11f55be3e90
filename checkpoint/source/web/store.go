package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"expertfs/checkpoint/source"
	"expertfs/checkpoint/source/remote"
)

// store is what is below an address.
type store struct {
	base   *url.URL // ends in a slash
	file   string   // the one file that was named, which is asked for too; may be ""
	client *http.Client
}

// New returns the folder of an address; file is a file in it that the user has named,
// or "". Nothing is asked yet. Base is what makes the requests, nil for the real one;
// plain allows another machine to be asked without encryption.
func New(address, file string, plain bool, base http.RoundTripper) (*remote.Folder, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "":
		return nil, fmt.Errorf("%s: expected an address like https://host/path/", source.Printable(address))
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		// Not shown: it may hold a password or a signature, as would every list of mounts.
		return nil, fmt.Errorf("%s://%s: a name, a password or a query in an address would be seen by everybody: give one without", u.Scheme, u.Host)
	}
	if err := remote.CheckAddress(u, plain); err != nil {
		return nil, err
	}
	u.Path = strings.TrimSuffix(u.Path, "/") + "/"
	transport := remote.NewTransport(base)
	return remote.NewFolder(&store{u, file, &http.Client{Transport: transport, CheckRedirect: remote.CheckRedirect}}, transport), nil
}

func (s *store) Name() string { return strings.TrimSuffix(s.base.String(), "/") }

// Setting implements remote.Store.
func (s *store) Setting() string { return "the address" }

func (s *store) Key() string { return s.base.String() }

// do makes a request for a file, or for the folder where name is "".
func (s *store) do(ctx context.Context, method, name string, header map[string]string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, s.base.JoinPath(name).String(), nil)
	if err != nil {
		return nil, err
	}
	if name == "" {
		r.URL.Path = s.base.Path // with its slash
	}
	r.Header.Set("User-Agent", "expertfs")
	r.Header.Set("Accept-Encoding", "identity")
	for k, v := range header {
		r.Header.Set(k, v)
	}
	return s.client.Do(r)
}

// Get implements remote.Store.
func (s *store) Get(ctx context.Context, _ *remote.Listing, f *remote.File, off, n int64) (io.ReadCloser, error) {
	header := map[string]string{"Range": fmt.Sprintf("bytes=%d-%d", off, off+n-1)}
	if strings.HasPrefix(f.ETag, `"`) {
		header["If-Match"] = f.ETag
	}
	r, err := s.do(ctx, http.MethodGet, f.Name, header)
	if err != nil {
		return nil, err
	}
	switch r.StatusCode {
	case http.StatusPartialContent:
		err = remote.CheckRange(r.Header, off, n, f.Size)
	case http.StatusOK:
		if err = remote.CheckRange(r.Header, off, n, f.Size); err != nil {
			err = remote.Permanent(errors.New("the server sends whole files only, and no ranges of them"))
		}
	case http.StatusPreconditionFailed, http.StatusRequestedRangeNotSatisfiable:
		err = remote.ErrChanged
	case http.StatusNotFound, http.StatusGone:
		err = fmt.Errorf("%w: it is gone", remote.ErrChanged)
	default:
		err = remote.Status(r, remedy(r))
	}
	if err == nil && !f.Same(describe(r, f.Name, f.Size)) {
		err = remote.ErrChanged
	}
	if err != nil {
		r.Body.Close()
		return nil, err
	}
	return r.Body, nil
}

// remedy is what to do about an answer.
func remedy(r *http.Response) string {
	if r.StatusCode == http.StatusUnauthorized || r.StatusCode == http.StatusForbidden {
		return "it asks who wants to know, and nobody is told of here: let it allow this machine, or mount a store that speaks S3"
	}
	return ""
}

// describe is what an answer says of a file.
func describe(r *http.Response, name string, size int64) *remote.File {
	f := &remote.File{Name: name, Size: size, ETag: r.Header.Get("ETag")}
	if t, err := http.ParseTime(r.Header.Get("Last-Modified")); err == nil {
		f.ModTime = t
	}
	return f
}

// head asks for a file's description; nil when there is no such file.
func (s *store) head(ctx context.Context, name string) (*remote.File, error) {
	r, err := s.do(ctx, http.MethodHead, name, nil)
	if err != nil {
		return nil, err
	}
	r.Body.Close()
	switch {
	case r.StatusCode == http.StatusNotFound || r.StatusCode == http.StatusGone:
		return nil, nil
	case r.StatusCode == http.StatusForbidden && name != s.file:
		return nil, nil // what many stores say of a file that is not there
	case r.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s: %w", cmp.Or(name, "the folder"), remote.Status(r, remedy(r)))
	case r.ContentLength < 0:
		return nil, remote.Permanent(fmt.Errorf("%s: the server does not tell its length", name))
	}
	f := describe(r, name, r.ContentLength)
	if f.ETag == "" && f.ModTime.IsZero() {
		return nil, remote.Permanent(fmt.Errorf("%s: the server tells neither an etag nor a time of modification, by which another version of it could be told", name))
	}
	return f, nil
}
