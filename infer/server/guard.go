package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Guard says who may ask a server.
type Guard struct {
	Keys    []string // one of which every request must have; none: all may ask
	Origins []string // of web pages that may ask, as https://example.org; "*" stands for all
	Hosts   []string // names of this machine, beside the usual ones of loopback
}

// handler returns h for those who may ask.
func (g *Guard) handler(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		form := formOf(r)
		origin := r.Header.Get("Origin")
		allowed := g.allows(origin)
		if allowed {
			header := w.Header()
			header.Set("Access-Control-Allow-Origin", origin)
			header.Add("Vary", "Origin")
			header.Set("Access-Control-Expose-Headers", "*")
		}
		switch {
		case !g.knows(r):
			writeError(w, form, badRequest("", "the host %q is not a name of this server; --allow-host adds one", shorten(r.Host)).withStatus(http.StatusForbidden))
		case allowed && r.Method == http.MethodOptions:
			preflight(w, r)
		case !allowed && foreign(r):
			writeError(w, form, badRequest("", "requests from pages of %s are refused; --allow-origin allows it", pageOf(origin)).withStatus(http.StatusForbidden))
		case r.URL.Path != "/health" && r.URL.Path != "/v1/health" && !isPage(r) && !g.hasKey(r):
			w.Header().Set("WWW-Authenticate", "Bearer")
			e := badRequest("", "the API key is missing or wrong").withStatus(http.StatusUnauthorized).withCode("invalid_api_key")
			e.Type = "authentication_error"
			writeError(w, form, e)
		default:
			h.ServeHTTP(w, r)
		}
	})
}

// pageOf names an origin; browsers need not say it.
func pageOf(origin string) string {
	if origin == "" {
		return "another origin"
	}
	return "the origin " + strconv.Quote(shorten(origin))
}

func (g *Guard) allows(origin string) bool {
	return origin != "" && (slices.Contains(g.Origins, origin) || slices.Contains(g.Origins, "*"))
}

// preflight tells a browser what a page may send.
func preflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
	headers := r.Header.Get("Access-Control-Request-Headers")
	if headers == "" {
		headers = "Authorization, Content-Type"
	}
	h.Set("Access-Control-Allow-Headers", headers)
	h.Set("Access-Control-Max-Age", "600")
	if r.Header.Get("Access-Control-Request-Private-Network") != "" {
		h.Set("Access-Control-Allow-Private-Network", "true")
	}
	w.WriteHeader(http.StatusNoContent)
}

// foreign tells whether a page of another origin has sent r. Browsers say so,
// other clients say nothing.
func foreign(r *http.Request) bool {
	p := http.NewCrossOriginProtection()
	return p.Check(r) != nil || r.Method == http.MethodOptions && r.Header.Get("Origin") != ""
}

// knows tells whether the request is addressed to a name of this machine. A page
// may have made a name of its own stand for the loopback address: only then the
// name matters, for there nobody else can be asked.
func (g *Guard) knows(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok || !local.IP.IsLoopback() || r.Host == "" {
		return true
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap().IsLoopback() || addr.IsUnspecified() || slices.Contains(g.Hosts, host)
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || slices.ContainsFunc(g.Hosts, func(known string) bool {
		return strings.EqualFold(known, host)
	})
}

// hasKey compares in a time that tells nothing of the keys.
func (g *Guard) hasKey(r *http.Request) bool {
	if len(g.Keys) == 0 {
		return true
	}
	given := r.Header.Get("X-Api-Key")
	if bearer, ok := cutBearer(r.Header.Get("Authorization")); ok {
		given = bearer
	}
	sum := sha256.Sum256([]byte(given))
	found := 0
	for _, key := range g.Keys {
		own := sha256.Sum256([]byte(key))
		found |= subtle.ConstantTimeCompare(sum[:], own[:])
	}
	return found == 1
}

func cutBearer(header string) (string, bool) {
	scheme, key, ok := strings.Cut(header, " ")
	return strings.TrimSpace(key), ok && strings.EqualFold(scheme, "Bearer")
}
