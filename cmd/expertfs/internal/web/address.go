package web

import (
	"context"
	"fmt"
	"net"
)

// CheckAddress tells whether address is one that can be asked to listen at: HOST:PORT,
// where an empty host is all addresses of this machine.
func CheckAddress(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = net.DefaultResolver.LookupPort(context.Background(), "tcp", port)
	}
	if err != nil {
		return fmt.Errorf("%q: want HOST:PORT, such as 127.0.0.1:9464; port 0 takes any that is free", address)
	}
	return nil
}
