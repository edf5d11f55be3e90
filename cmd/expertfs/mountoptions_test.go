package main

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// setOptions makes a mountConfig of a list of -o.
func setOptions(list string) (mountConfig, error) {
	var c mountConfig
	err := c.declare().set(list)
	return c, err
}

func TestMountOptions(t *testing.T) {
	var want mountConfig
	want.declare()
	want.allowOther, want.readOnly, want.noPassthrough, want.noForecast = true, true, true, true
	want.ram, want.policy, want.log.File = "41%", "ewma:alpha=0.5,beta=2", `a\b`
	got, err := setOptions(`defaults,_netdev,nofail,x-systemd.automount,user,noatime,comment=a b,allow_other,ro,` +
		`ram=41%,policy=ewma:alpha=0.5\,beta=2,log-file=a\\b,no-passthrough,no-forecast`)
	require.NoError(t, err)
	require.Equal(t, want, got)
	former, err := setOptions("no-foresight")
	require.NoError(t, err)
	require.True(t, former.noForecast, "tables of mounts have this name of it")

	got, err = setOptions("ro,rw,high=0.9,low=.5,max-wait=2s,seed=7,shadow=lru,shadow=ewma:alpha=1")
	require.NoError(t, err)
	require.Equal(t, []string{"lru", "ewma:alpha=1"}, got.shadows)
	require.Equal(t, []any{0.9, 0.5, 2 * time.Second, uint64(7)}, []any{got.high, got.low, got.maxWait, got.seed})
	require.False(t, got.readOnly)
	// What mount(8) may pass on, as its manual lists it.
	_, err = setOptions("async,atime,noatime,auto,noauto,defaults,dev,nodev,diratime,nodiratime,dirsync,exec,noexec,group,iversion,noiversion," +
		"mand,nomand,_netdev,nofail,relatime,norelatime,strictatime,nostrictatime,lazytime,nolazytime,suid,nosuid,silent,loud,owner,sync,user," +
		"user=me,nouser,users,nosymfollow,symfollow,comment=a,X-mount.mkdir=0755,x-gvfs-hide")
	require.NoError(t, err)
	_, err = setOptions("remount,ro")
	require.ErrorContains(t, err, ".expertfs/ram")
	for _, bad := range []string{"allow_root", "ram", "ram=", "ro=1", "allow_other=yes", "no", "high=much", "low=", "max-wait=2", "seed=-1", "shadow", "memfd", "foreground", "options=ro"} {
		_, err := setOptions(bad)
		require.Error(t, err, bad)
	}
}

// TestRepeatedOptions: the last one counts, and a value that is lost is told of.
func TestRepeatedOptions(t *testing.T) {
	var c mountConfig
	o := c.declare()
	require.NoError(t, o.set("ram=4MiB,policy=lru,shadow=a,ram=5MiB,policy=lru,shadow=b"))
	require.Equal(t, "5MiB", c.ram)
	require.Equal(t, []string{"option ram is given as 4MiB and as 5MiB; the last one counts"}, o.repeated)
	require.NoError(t, o.set("ram=6MiB,policy=lru"), "the list of another -o")
	require.Equal(t, "6MiB", c.ram)
	require.Equal(t, []string{"option ram is given as 5MiB and as 6MiB; the last one counts"}, o.repeated[1:])
}

// TestOptionsAreDocumented: the table of options in the manual is the one that the
// program reads them by.
func TestOptionsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/mounting.md")
	require.NoError(t, err)
	var c mountConfig
	want := c.declare().table()
	require.Contains(t, string(text), "\n"+want+"\n", "docs/mounting.md must have this table:\n%s", want)
	help := run(t, "mount", "--help").out
	for _, listed := range []string{"  allow_other ", "  ro ", "  rw ", " ram= ", " no-passthrough "} {
		require.Contains(t, help, listed)
	}
	require.NotContains(t, help, "no-foresight")
}
