package s3

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"expertfs/checkpoint/source"
	"expertfs/checkpoint/source/remote"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// store is a prefix of a bucket.
type store struct {
	client *minio.Core
	creds  *credentials.Credentials
	from   string // where it is set which host is asked
	bucket string
	prefix string // "" or with a slash at its end
}

// New returns the folder of what comes after "s3:" in a name. Nothing is asked yet.
// Base is what makes the requests, nil for the real one; plain allows the endpoint to
// be another machine without encryption.
func New(rest string, plain bool, base http.RoundTripper) (*remote.Folder, error) {
	path, ok := strings.CutPrefix(rest, "//")
	bucket, prefix, _ := strings.Cut(path, "/")
	if !ok || bucket == "" || strings.ContainsAny(bucket, "@:?#") {
		return nil, fmt.Errorf("s3:%s: expected a name like s3://bucket/prefix", source.Printable(rest))
	}
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	s, err := findSettings()
	if err == nil && s.endpoint != nil {
		if err = remote.CheckAddress(s.endpoint, plain); err != nil {
			err = fmt.Errorf("%s: %w", s.from, err)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("s3:%s: %w", source.Printable(rest), err)
	}
	transport := remote.NewTransport(base)
	creds := s.credentials()
	client, err := s.client(transport, creds)
	if err != nil {
		return nil, err
	}
	return remote.NewFolder(&store{client, creds, s.from, bucket, prefix}, transport), nil
}

// Setting implements remote.Store.
func (s *store) Setting() string { return s.from }

func (s *store) Name() string { return "s3://" + strings.TrimSuffix(s.bucket+"/"+s.prefix, "/") }

func (s *store) Key() string {
	at := s.client.EndpointURL()
	return (&url.URL{Scheme: at.Scheme, Host: at.Host, Path: s.bucket + "/" + s.prefix}).String()
}

// List implements remote.Store.
func (s *store) List(ctx context.Context) (*remote.Listing, error) {
	l := &remote.Listing{}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the goroutine that asks for pages
	owner := false
	for o := range s.client.Client.ListObjects(ctx, s.bucket, minio.ListObjectsOptions{Prefix: s.prefix, Recursive: true, FetchOwner: &owner}) {
		if o.Err != nil {
			return nil, s.failure(o.Err)
		}
		if name := strings.TrimPrefix(o.Key, s.prefix); name != "" && !strings.HasSuffix(name, "/") {
			l.Files = append(l.Files, &remote.File{Name: name, Size: o.Size, ETag: strings.Trim(o.ETag, `"`), ModTime: o.LastModified})
		}
		if len(l.Files) > remote.MaxFiles {
			return nil, remote.ErrTooMany
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(l.Files) == 0 {
		return nil, remote.Absent(fmt.Errorf("no objects here: `aws s3 ls %s/` lists what there is", s.Name()))
	}
	return l, nil
}

// Get implements remote.Store.
func (s *store) Get(ctx context.Context, _ *remote.Listing, f *remote.File, off, n int64) (io.ReadCloser, error) {
	var o minio.GetObjectOptions
	if err := o.SetRange(off, off+n-1); err != nil {
		return nil, err
	}
	if f.ETag != "" {
		if err := o.SetMatchETag(f.ETag); err != nil {
			return nil, err
		}
	}
	body, info, header, err := s.client.GetObject(ctx, s.bucket, s.prefix+f.Name, o)
	if err != nil {
		return nil, s.failure(err)
	}
	err = remote.CheckRange(header, off, n, f.Size)
	is := remote.File{Size: f.Size, ETag: strings.Trim(info.ETag, `"`), ModTime: info.LastModified}
	if err == nil && !f.Same(&is) {
		err = remote.ErrChanged
	}
	if err != nil {
		body.Close()
		return nil, err
	}
	return body, nil
}

// unknownKey is the code of an answer to an access key that nobody has.
const unknownKey = "InvalidAccessKeyId"

// failure says what an error of the client means.
func (s *store) failure(err error) error {
	r := minio.ToErrorResponse(err)
	switch {
	case r.StatusCode == 0:
		return err
	case r.StatusCode == http.StatusPreconditionFailed:
		return remote.ErrChanged
	case r.StatusCode == http.StatusNotFound && r.Code != minio.NoSuchBucket && r.Code != unknownKey:
		return fmt.Errorf("%w: it is gone", remote.ErrChanged)
	}
	status := &remote.StatusError{Code: r.StatusCode, What: r.Code}
	switch r.Code {
	case minio.NoSuchBucket:
		status.What = "there is no such bucket at " + s.client.EndpointURL().Host + ": check its name, and " + s.from
	case "SignatureDoesNotMatch", unknownKey:
		status.Code = http.StatusForbidden // some gateways have 404 for it
		status.What += ": the keys in use are not right: AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY, or those of AWS_PROFILE in ~/.aws/credentials"
	case "AuthorizationHeaderMalformed", "PermanentRedirect", "InvalidRegion":
		status.What += ": the bucket is in another region: set AWS_REGION"
	case "RequestTimeTooSkewed":
		status.What += ": the clock of this machine is wrong"
	case "ExpiredToken", "TokenRefreshRequired":
		s.creds.Expire() // new ones may be had from where they came
		status.What += ": the credentials have expired"
		status.Code = http.StatusServiceUnavailable
	case "SlowDown", "Throttling", "RequestLimitExceeded":
		status.Code = http.StatusTooManyRequests
	default:
		if v, err := s.creds.GetWithContext(nil); err == nil && v.AccessKeyID != "" && r.StatusCode == http.StatusForbidden {
			status.What += ": the keys in use (AWS_ACCESS_KEY_ID, or those of AWS_PROFILE) may not list or read this"
		} else if r.StatusCode == http.StatusForbidden || r.StatusCode == http.StatusUnauthorized {
			status.What += ": set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE to a section of ~/.aws/credentials"
		}
	}
	return status
}
