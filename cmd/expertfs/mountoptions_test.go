package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMountOptions(t *testing.T) {
	var c mountConfig
	require.NoError(t, c.setOptions(`defaults,_netdev,nofail,x-systemd.automount,user,noatime,comment=a b,allow_other,ro,`+
		`ram=40%,policy=ewma:alpha=0.5\,beta=2,log-file=a\\b,no-passthrough,no-foresight`))
	require.Equal(t, mountConfig{
		allowOther: true, readOnly: true, noPassthrough: true, noForesight: true, ram: "40%", policy: "ewma:alpha=0.5,beta=2", logFile: `a\b`,
	}, c)
	require.NoError(t, c.setOptions("rw,high=0.9,low=.5,max-wait=2s,seed=7,shadow=lru,shadow=ewma:alpha=1"))
	require.Equal(t, []string{"lru", "ewma:alpha=1"}, c.ghosts)
	require.Equal(t, []any{0.9, 0.5, 2 * time.Second, uint64(7)}, []any{c.high, c.low, c.maxWait, c.seed})
	require.False(t, c.readOnly)
	for _, bad := range []string{"allow_root", "ram", "ram=", "ro=1", "allow_other=yes", "no", "high=much", "low=", "max-wait=2", "seed=-1", "shadow"} {
		require.Error(t, new(mountConfig).setOptions(bad), bad)
	}
}

func TestMountHelperArgs(t *testing.T) {
	require.Equal(t, []string{"mount", "/data", "/mnt", "-o", "rw,ram=1GiB"},
		mountHelperArgs([]string{"/data", "/mnt", "-s", "-n", "-v", "-N", "/proc/1/ns/mnt", "-t", "expertfs", "-o", "rw,ram=1GiB"}))
}
