package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMountOptions(t *testing.T) {
	var c mountConfig
	require.NoError(t, c.setOptions(`defaults,_netdev,nofail,x-systemd.automount,user,noatime,comment=a b,allow_other,ro,`+
		`ram=40%,policy=ewma:alpha=0.5\,beta=2,log-file=a\\b,no-passthrough`))
	require.Equal(t, mountConfig{
		allowOther: true, readOnly: true, noPassthrough: true, ram: "40%", policy: "ewma:alpha=0.5,beta=2", logFile: `a\b`,
	}, c)
	require.NoError(t, c.setOptions("rw"))
	require.False(t, c.readOnly)
	for _, bad := range []string{"allow_root", "ram", "ram=", "ro=1", "allow_other=yes", "no"} {
		require.Error(t, new(mountConfig).setOptions(bad), bad)
	}
}

func TestMountHelperArgs(t *testing.T) {
	require.Equal(t, []string{"mount", "/data", "/mnt", "-o", "rw,ram=1GiB"},
		mountHelperArgs([]string{"/data", "/mnt", "-s", "-n", "-v", "-N", "/proc/1/ns/mnt", "-t", "expertfs", "-o", "rw,ram=1GiB"}))
}
