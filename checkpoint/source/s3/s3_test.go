package s3

import (
	"crypto/rand"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"expertfs/checkpoint/source"
	"expertfs/checkpoint/source/remote"
	"expertfs/checkpoint/source/storetest"

	"github.com/stretchr/testify/require"
)

// random returns n bytes.
func random(n int) []byte {
	p := make([]byte, n)
	_, _ = rand.Read(p) // never fails
	return p
}

// open opens a prefix of a store, with quick retries.
func open(t *testing.T, name string) *remote.Folder {
	t.Helper()
	f, err := New(name, false, nil)
	require.NoError(t, err)
	f.SetRetrying(storetest.Quick)
	return f
}

func TestObjectsAreFiles(t *testing.T) {
	data := random(700_000)
	storetest.S3(t, map[string][]byte{
		"b/config.json": []byte("{}"), "b/original/model.safetensors": data, "b2/other": data, "empty/x": nil,
	})
	f := open(t, "//models/b")
	names, err := f.List()
	require.NoError(t, err)
	require.Equal(t, []string{"config.json", "original"}, names)
	require.True(t, source.Has(f, "original"))
	require.False(t, source.Has(f, "other"))
	require.Equal(t, "s3://models/b/config.json", f.Describe("config.json"))
	_, err = f.Open("original")
	require.ErrorIs(t, err, source.ErrNotRegular)

	below := remote.Sub(f, "original")
	names, err = below.List()
	require.NoError(t, err)
	require.Equal(t, []string{"model.safetensors"}, names)
	s, err := below.Open("model.safetensors")
	require.NoError(t, err)
	got, err := io.ReadAll(source.Section(s))
	require.NoError(t, err)
	require.Equal(t, data, got)
	require.False(t, source.Near(s, 0, 1))
	require.Less(t, f.Figures().Requests, int64(6), "small reads are not a request each")
	require.NotEmpty(t, s.Identity().ETag)
	require.NoError(t, s.Close())

	_, err = open(t, "//models/nothing").List()
	require.ErrorContains(t, err, "s3://models/nothing: no objects here")
	require.ErrorIs(t, err, remote.ErrAbsent)
	_, err = open(t, "//none/b").List()
	require.ErrorContains(t, err, "there is no such bucket")
	require.ErrorContains(t, err, "AWS_ENDPOINT_URL")
	require.ErrorIs(t, err, remote.ErrAbsent)
	for _, bad := range []string{"", "models", "//", "///b", "//user:password@host/b"} {
		_, err := New(bad, false, nil)
		require.ErrorContains(t, err, "expected a name like s3://bucket/prefix", bad)
	}
}

func TestFaultsOfTheNetworkAreRetried(t *testing.T) {
	data := random(300_000)
	store := storetest.S3(t, map[string][]byte{"b/x": data})
	for name, fault := range map[string]storetest.Fault{
		"500": storetest.Status(500), "503": storetest.Status(503), "429": storetest.Status(429),
		"reset": storetest.Reset, "short": storetest.Short, "stalled": storetest.Stall,
		"another range": storetest.Shifted, "longer": storetest.Longer,
	} {
		t.Run(name, func(t *testing.T) {
			store.SetFault(nil)
			f := open(t, "//models/b")
			s, err := f.Open("x")
			require.NoError(t, err)
			b, err := s.Bulk()
			require.NoError(t, err)
			if name == "stalled" { // many attempts, since a busy machine stalls too
				retrying := storetest.Quick
				retrying.Attempts, retrying.Stall = 10, 100*time.Millisecond
				f.SetRetrying(retrying)
			}
			read := func() ([]byte, error) {
				got := make([]byte, 200_000)
				n, err := b.ReadAt(t.Context(), got, 33)
				return got[:n], err
			}
			store.SetFault(storetest.Times(2, fault))
			got, err := read()
			require.NoError(t, err)
			require.Equal(t, data[33:][:200_000], got)
			require.Positive(t, f.Figures().Retries)
			require.Zero(t, f.Figures().Errors)

			store.SetFault(storetest.Times(1000, fault))
			_, err = read()
			require.Error(t, err)
			require.NotContains(t, err.Error(), "X-Amz")
			require.EqualValues(t, 1, f.Figures().Errors)
		})
	}
}

func TestAnotherObjectIsRefused(t *testing.T) {
	store := storetest.S3(t, map[string][]byte{"b/x": random(9000)})
	f := open(t, "//models/b")
	s, err := f.Open("x")
	require.NoError(t, err)
	for name, data := range map[string][]byte{"content": random(9000), "length": random(9001)} {
		store.Put(t, "b/x", data)
		_, err = s.ReadAt(t.Context(), make([]byte, 100), 0)
		require.ErrorIs(t, err, remote.ErrChanged, name)
	}
	require.Zero(t, f.Figures().Retries)
}

// Bytes and signatures pass in the open only to this machine, or where that was asked
// for.
func TestAnEndpointWithoutEncryption(t *testing.T) {
	storetest.S3(t, nil)
	for _, from := range []string{"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"} {
		t.Setenv(from, "http://192.0.2.1:9000")
		_, err := New("//models/b", false, nil)
		require.ErrorContains(t, err, "s3://models/b: "+from+": http://192.0.2.1:9000: ")
		require.ErrorContains(t, err, "--plain-http")
		_, err = New("//models/b", true, nil)
		require.NoError(t, err)
	}
}

func TestRefusalsSayWhatToDo(t *testing.T) {
	store := storetest.S3(t, nil)
	store.SetFault(storetest.Status(http.StatusForbidden))
	f := open(t, "//models/b")
	_, err := f.List()
	require.ErrorContains(t, err, "answer 403 Forbidden")
	require.ErrorContains(t, err, "AWS_PROFILE")
	require.ErrorIs(t, err, remote.ErrNoAnswer)
	require.EqualValues(t, 1, store.Requests.Load(), "is not asked again")
	require.NotContains(t, err.Error(), storetest.Secret)

	// As versitygw answers to an access key that it does not know.
	store.SetFault(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "<Error><Code>InvalidAccessKeyId</Code></Error>")
	})
	_, err = open(t, "//models/b").List()
	require.ErrorContains(t, err, "InvalidAccessKeyId: the keys in use are not right: AWS_ACCESS_KEY_ID")
	require.ErrorIs(t, err, remote.ErrNoAnswer)
	require.NotErrorIs(t, err, remote.ErrAbsent)

	store.SetFault(nil)
	t.Setenv("AWS_ENDPOINT_URL", strings.Replace(os.Getenv("AWS_ENDPOINT_URL"), "http://", "https://", 1))
	_, err = open(t, "//models/b").List()
	require.ErrorContains(t, err, "it speaks http:// there, without encryption: check AWS_ENDPOINT_URL")
}

func TestThatIsOutOfReachFailsAtOnceTheSecondTime(t *testing.T) {
	store := storetest.S3(t, map[string][]byte{"b/x": random(9000)})
	f := open(t, "//models/b")
	s, err := f.Open("x")
	require.NoError(t, err)
	store.Close()
	_, err = s.ReadAt(t.Context(), make([]byte, 10), 0)
	require.ErrorContains(t, err, "refused: nothing listens there: check AWS_ENDPOINT_URL")
	require.ErrorIs(t, err, remote.ErrNoAnswer)
	before := f.Figures()
	_, err = s.ReadAt(t.Context(), make([]byte, 10), 0)
	require.Error(t, err)
	require.Equal(t, before.Requests+1, f.Figures().Requests)
}

// A name that no name server knows is not asked for again.
func TestAHostThatDoesNotExist(t *testing.T) {
	storetest.S3(t, nil)
	none := &net.DNSError{Err: "no such host", Name: "nowhere", IsNotFound: true}
	f, err := New("//models/b", false, failing{none})
	require.NoError(t, err)
	_, err = f.List()
	require.ErrorContains(t, err, "no such host: check the name: AWS_ENDPOINT_URL")
	require.ErrorIs(t, err, remote.ErrNoAnswer)
	require.True(t, remote.Unreachable(err), "as where there is no network")
	require.EqualValues(t, 1, f.Figures().Requests)
}

// failing is a network on which nothing works.
type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

func TestProfiles(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "config")
	require.NoError(t, os.WriteFile(config, []byte("[default]\nregion = eu-1\n[profile lab]\nregion = eu-2\nendpoint_url = http://127.0.0.1:9\n"), 0o600))
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_CONFIG_FILE", config)
	s, err := findSettings()
	require.NoError(t, err)
	require.Equal(t, "eu-1", s.region)
	require.Nil(t, s.endpoint)
	require.Contains(t, s.from, "AWS_REGION")
	t.Setenv("AWS_PROFILE", "lab")
	s, err = findSettings()
	require.NoError(t, err)
	require.Equal(t, "eu-2", s.region)
	require.Equal(t, "127.0.0.1:9", s.endpoint.Host)
	require.Equal(t, "endpoint_url in ~/.aws/config", s.from)
	t.Setenv("AWS_ENDPOINT_URL", "https://user:password@host")
	_, err = findSettings()
	require.ErrorContains(t, err, "AWS_ENDPOINT_URL")
	require.NotContains(t, err.Error(), "password")
}
