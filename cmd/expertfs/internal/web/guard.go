package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
)

// Who may do what:
//
//	on the loopback address   every user of this machine sees the mount; who mounted, and root, may change it
//	beyond it                 whoever reaches it sees the mount; nobody may change it
//	with a key                who has it sees the mount and may change it
//
// A page of another origin may neither see nor change anything: the browser keeps
// it from reading answers, a request for a name that is not this machine's is
// refused (DNS rebinding), and a change needs a header that such a page cannot send.

var (
	errNoKey  = errors.New("reached from other machines, and without a key: --http-key-file gives one")
	errHeader = errors.New("a change must have the header X-Expertfs: 1")
	errUser   = errors.New("only the user who mounted may change the mount; a key (--http-key-file) lets others do it")
)

// guard says who may ask.
type guard struct {
	key      string
	loopback bool // the listener's address is
}

// policyOfContent keeps the page to its own server.
const policyOfContent = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// handler returns h for those who ask for this machine from a page of this server.
func (g guard) handler(h http.Handler) http.Handler {
	foreign := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Content-Security-Policy", policyOfContent)
		head.Set("Cross-Origin-Resource-Policy", "same-origin")
		head.Set("Referrer-Policy", "no-referrer")
		head.Set("X-Content-Type-Options", "nosniff")
		if !knows(r) {
			fail(w, http.StatusForbidden, errors.New("this server is localhost, not "+shortened(r.Host)))
			return
		}
		if err := foreign.Check(r); err != nil {
			fail(w, http.StatusForbidden, err)
			return
		}
		h.ServeHTTP(w, r)
	})
}

func shortened(host string) string { return host[:min(len(host), 100)] }

// keyed serves those who have the key.
func (g guard) keyed(serve http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.key != "" && !g.hasKey(r) {
			w.Header().Set("WWW-Authenticate", "Bearer")
			fail(w, http.StatusUnauthorized, errors.New("the key is missing or wrong"))
			return
		}
		serve(w, r)
	})
}

// hasKey compares in a time that tells nothing of the key.
func (g guard) hasKey(r *http.Request) bool {
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return false
	}
	a, b := sha256.Sum256([]byte(strings.TrimSpace(given))), sha256.Sum256([]byte(g.key))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// mayChange tells whether a request may change the mount, of a client that may see
// it: without a key it must come from a process of this user's, or root's.
func (g guard) mayChange(r *http.Request) error {
	if r.Header.Get("X-Expertfs") != "1" {
		return errHeader
	}
	if g.key != "" {
		return nil
	}
	uid, err := peerUser(r)
	if err != nil {
		return err
	}
	if uid != 0 && uid != os.Geteuid() {
		return errUser
	}
	return nil
}

// knows tells whether a request on the loopback address is for a name of it.
func knows(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok || !isLoopback(local) {
		return true
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap().IsLoopback() || addr.IsUnspecified()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// isLoopback tells whether only this machine reaches an address.
func isLoopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
