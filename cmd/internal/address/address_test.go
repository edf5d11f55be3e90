package address

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWords(t *testing.T) {
	for _, tt := range []struct{ ip, url, others string }{
		{"127.0.0.1", "http://127.0.0.1:80", ""},
		{"::1", "http://[::1]:80", ""},
		{"0.0.0.0", "http://127.0.0.1:80", "port 80 of this one"},
		{"::", "http://127.0.0.1:80", "port 80 of this one"},
		{"192.0.2.7", "http://192.0.2.7:80", "192.0.2.7:80"},
	} {
		addr := &net.TCPAddr{IP: net.ParseIP(tt.ip), Port: 80}
		require.Equal(t, tt.url, URL("http", addr))
		require.Equal(t, tt.others, Others(addr))
	}
	require.Equal(t, "https:///run/x", URL("https", &net.UnixAddr{Name: "/run/x"}))
}
