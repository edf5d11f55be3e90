package web

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// errPeer says that the kernel does not show whose a connection is.
var errPeer = errors.New("whose connection this is cannot be told, so it may change nothing")

// peerUser is the user whose process has made a connection from this machine, as
// the kernel lists it.
func peerUser(r *http.Request) (uid int, err error) {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok {
		return 0, errPeer
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errPeer, err)
	}
	return userOf(peer, local.AddrPort(), "/proc/net/tcp", "/proc/net/tcp6")
}

// userOf finds the owner of the end at own of a connection in tables of the kernel.
func userOf(own, other netip.AddrPort, tables ...string) (uid int, err error) {
	for _, table := range tables {
		text, err := os.ReadFile(table)
		if err != nil {
			continue // without IPv6 there is no such table
		}
		for line := range strings.Lines(string(text)) {
			// number: local remote state queues timer retransmits uid ...
			fields := strings.Fields(line)
			const uidField = 7
			if len(fields) <= uidField || parseEnd(fields[1]) != plain(own) || parseEnd(fields[2]) != plain(other) {
				continue
			}
			return strconv.Atoi(fields[uidField])
		}
	}
	return 0, errPeer
}

// parseEnd reads an address of the table: hexadecimal, in words of the machine's
// order. What is no address is the zero value.
func parseEnd(text string) netip.AddrPort {
	address, port, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(address)
	if err != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}
	}
	for word := 0; word < len(raw); word += 4 {
		binary.BigEndian.PutUint32(raw[word:], binary.NativeEndian.Uint32(raw[word:]))
	}
	a, ok := netip.AddrFromSlice(raw)
	n, err := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil {
		return netip.AddrPort{}
	}
	return plain(netip.AddrPortFrom(a, uint16(n)))
}

// plain is an address without a zone, and as IPv4 where it stands for one.
func plain(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}
