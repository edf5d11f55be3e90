package remote

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"

	"golang.org/x/sys/unix"
)

// noSuchHost tells whether a name server knows no such name, which it will not know
// a second later.
func noSuchHost(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}

// explain adds to the error of a request that was given up what to do about it, and
// marks those to which no answer came.
func (f *Folder) explain(err error) error {
	if !unreachable(err) {
		return err
	}
	setting := f.store.Setting()
	remedy := ""
	var timeout net.Error
	switch {
	case noSuchHost(err):
		remedy = "check the name: " + setting
	case errors.Is(err, unix.ECONNREFUSED):
		remedy = "nothing listens there: check " + setting
	case errors.Is(err, http.ErrSchemeMismatch):
		remedy = "it speaks http:// there, without encryption: check " + setting
	case errors.As(err, new(x509.UnknownAuthorityError)):
		remedy = "SSL_CERT_FILE names a file of authorities to trust"
	case errors.Is(err, errStalled), errors.Is(err, unix.ENETUNREACH), errors.Is(err, unix.EHOSTUNREACH),
		errors.As(err, &timeout) && timeout.Timeout():
		remedy = "check the network, a proxy (HTTPS_PROXY) or firewall in between, and " + setting
	}
	if remedy != "" {
		err = fmt.Errorf("%w: %s", err, remedy)
	}
	return marked{err, ErrNoAnswer}
}
