package s3

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"expertfs/checkpoint/source/remote"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"gopkg.in/ini.v1"
)

// settings say where requests go.
type settings struct {
	endpoint *url.URL // nil for Amazon's
	from     string   // what says so
	region   string   // "" to be asked for
}

// roleTime bounds the question for the role of a machine: there may be nobody
// who answers.
const roleTime = 3 * time.Second

// findSettings reads the environment and the profile.
func findSettings() (s settings, err error) {
	profile, err := readProfile()
	if err != nil {
		return s, err
	}
	s.region = cmp.Or(os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), profile("region"))
	at := ""
	for _, from := range []string{"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"} {
		if at == "" {
			at, s.from = os.Getenv(from), from
		}
	}
	if at == "" {
		at, s.from = profile("endpoint_url"), "endpoint_url in ~/.aws/config"
	}
	if at == "" {
		s.from = "AWS_REGION, or AWS_ENDPOINT_URL for a store that is not Amazon's"
		return s, nil
	}
	s.endpoint, err = url.Parse(at)
	if err != nil || s.endpoint.Host == "" || s.endpoint.Scheme != "http" && s.endpoint.Scheme != "https" || s.endpoint.User != nil {
		return s, errors.New(s.from + ": expected an address like https://host:port") // not shown: it may hold a password
	}
	s.region = cmp.Or(s.region, "us-east-1") // what other stores take their one region to be
	return s, nil
}

// readProfile returns the values of the profile in ~/.aws/config.
func readProfile() (func(key string) string, error) {
	none := func(string) string { return "" }
	path := os.Getenv("AWS_CONFIG_FILE")
	if path == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return none, nil
		}
		path = filepath.Join(home, ".aws", "config")
	}
	file, err := ini.LoadSources(ini.LoadOptions{AllowNestedValues: true, SkipUnrecognizableLines: true}, path)
	if errors.Is(err, fs.ErrNotExist) {
		return none, nil
	} else if err != nil {
		return none, fmt.Errorf("%s: cannot be read as a configuration of AWS", path) // the error has a line of it
	}
	section := "default"
	if name := os.Getenv("AWS_PROFILE"); name != "" && name != "default" {
		section = "profile " + name
	}
	return func(key string) string { return file.Section(section).Key(key).String() }, nil
}

// client makes a client that makes one attempt at each request.
func (s settings) client(t *remote.Transport, creds *credentials.Credentials) (*minio.Core, error) {
	o := &minio.Options{Region: s.region, Transport: t, MaxRetries: 1, Secure: true, Creds: creds}
	host := "s3.amazonaws.com"
	if s.endpoint != nil {
		host, o.Secure = s.endpoint.Host, s.endpoint.Scheme == "https"
		o.BucketLookup = minio.BucketLookupPath
	}
	return minio.NewCore(host, o)
}

// credentials finds who asks, when the first request is made.
func (s settings) credentials() *credentials.Credentials {
	chain := []credentials.Provider{&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}}
	role := os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE") + os.Getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") + os.Getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI")
	if role != "" || s.endpoint == nil && os.Getenv("AWS_EC2_METADATA_DISABLED") != "true" {
		chain = append(chain, &credentials.IAM{Client: &http.Client{Timeout: roleTime}})
	}
	return credentials.NewChainCredentials(chain)
}
