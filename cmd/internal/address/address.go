// Package address puts the addresses of listeners into words.
package address

import (
	"net"
	"strconv"
)

// URL is where a program of this machine finds the listener at addr. One at all
// addresses shows as [::], which no client takes; and by its own name a machine often
// has an address at which servers refuse that name (DNS rebinding).
func URL(scheme string, addr net.Addr) string {
	host := addr.String()
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		host = net.JoinHostPort("127.0.0.1", strconv.Itoa(tcp.Port))
	}
	return scheme + "://" + host
}

// Others tells by what other machines reach the listener at addr; "" for those that
// only this machine reaches.
func Others(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	switch {
	case ok && tcp.IP.IsLoopback():
		return ""
	case ok && tcp.IP.IsUnspecified():
		return "port " + strconv.Itoa(tcp.Port) + " of this one"
	}
	return addr.String()
}
