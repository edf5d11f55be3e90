package remote

import (
	"crypto/tls"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// Times within which a server has to do things.
const (
	dialTime   = 10 * time.Second
	headerTime = 30 * time.Second // until an answer begins
	idleTime   = 90 * time.Second // that an unused connection is kept
)

// connections is how many unused connections to one host are kept: as many as
// reads may be in flight, so that none is dialled twice.
const connections = 128

// Transport makes requests and counts them. Bodies come as they were sent, and
// each request has a connection of its own: a single one with many streams is
// slower from stores that bound what a connection gets.
type Transport struct {
	base     http.RoundTripper
	requests atomic.Int64
}

// NewTransport returns a transport. Base is what makes the requests, nil for the
// real one; tests put faults there.
func NewTransport(base http.RoundTripper) *Transport {
	if base == nil {
		dialer := &net.Dialer{Timeout: dialTime, KeepAlive: 15 * time.Second}
		base = &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext,
			TLSHandshakeTimeout: dialTime, ResponseHeaderTimeout: headerTime, IdleConnTimeout: idleTime,
			MaxIdleConns: 2 * connections, MaxIdleConnsPerHost: connections,
			ReadBufferSize: 64 << 10, DisableCompression: true,
			TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}, // no HTTP/2
		}
	}
	return &Transport{base: base}
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	t.requests.Add(1)
	return t.base.RoundTrip(r)
}
