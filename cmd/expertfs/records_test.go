package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// fullDrive is a folder in which nothing can be written after fill.
func fullDrive(t *testing.T) (dir string, fill func()) {
	t.Helper()
	dir = t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skip("cannot mount a small tmpfs, as root can: ", err)
	}
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	return dir, func() {
		f, err := os.Create(filepath.Join(dir, "all"))
		require.NoError(t, err)
		defer f.Close()
		for err == nil {
			_, err = f.Write(make([]byte, 512))
		}
		require.ErrorIs(t, err, unix.ENOSPC)
	}
}

// TestLostRecords: a full drive costs the trace and what was learned, and who looks at
// the mount or takes it down is told.
func TestLostRecords(t *testing.T) {
	needMounts(t)
	for _, name := range []string{"trace.csv", "trace.csv.gz"} {
		drive, fill := fullDrive(t)
		trace, heat := filepath.Join(drive, name), filepath.Join(drive, "heat.json")
		point := mountTiny(t, "--trace", trace, "--heat", heat)
		access(t, point, "00/01", "01/02", "02/03")
		require.Len(t, report(t, point).Records, 3)
		require.NotContains(t, run(t, "status", point).out, "attention")
		fill()
		lost := "--trace " + trace + ": it has ended: "
		for n := 0; report(t, point).Records[0].Lost == ""; n++ {
			require.Less(t, n, 10000, "the trace finds no end")
			access(t, point, "03/01", "00/02", "01/03", "02/04") // until the last page is full
		}
		require.Contains(t, run(t, "status", point).out, "\nattention  "+lost)
		require.Contains(t, run(t, "status").out, lost)
		r := run(t, "umount", point)
		require.Zero(t, r.code)
		require.Contains(t, r.errors, "expertfs: warning: "+point+": "+lost)
		require.Contains(t, r.errors, "--heat "+heat+": what was learned was not saved in the end")
		require.Contains(t, r.errors, "--heat "+heat+learnedSuffix+": what was learned was not saved in the end")
	}
}

// TestRecordsAreWritten: of what was written nobody hears.
func TestRecordsAreWritten(t *testing.T) {
	dir := t.TempDir()
	point := mountTiny(t, "--trace", filepath.Join(dir, "trace.csv"), "--heat", filepath.Join(dir, "heat.json"))
	access(t, point, "00/01", "01/02")
	require.Equal(t, result{0, "", ""}, run(t, "umount", point))
}

// TestLostLearned: a drive that has room for the heat and none for what the policy has
// learned costs the latter only, and who takes the mount down is told of that file.
func TestLostLearned(t *testing.T) {
	needNamespaces(t)
	dir := t.TempDir()
	r := inNamespace(t, `cd "$1"
		mkdir drive m
		mount -t tmpfs -o size=64k none drive
		"$0" mount --ram 1MiB --log-file log --heat "$1/drive/heat.json" embed:tiny m >/dev/null
		"$0" umount m
		ls drive`, dir)
	require.Zero(t, r.code, r.errors)
	require.Equal(t, "heat.json\n", r.out)
	require.Contains(t, r.errors, "--heat "+dir+"/drive/heat.json.learned: what was learned was not saved in the end")
	require.NotContains(t, r.errors, "heat.json: ")
}

// TestNothingIsLostYet: a server that goes on saves later, and one in another mount
// namespace saves where umount does not see it.
func TestNothingIsLostYet(t *testing.T) {
	needNamespaces(t)
	for name, script := range map[string]string{
		"bound": `mkdir a b
			"$0" mount --ram 1MiB --log-file log --heat "$1/heat.json" embed:tiny a >/dev/null
			mount --bind a b
			"$0" umount a 2>first || echo "code $?"
			cat first
			"$0" umount b
			ls heat*`,
		"elsewhere": `mkdir shared hidden
			mount -t tmpfs none shared
			mount --make-shared shared
			mkdir shared/m
			unshare --mount --propagation unchanged sh -e -c 'mount -t tmpfs none hidden
				"$0" mount --ram 1MiB --log-file log --heat "$1/hidden/heat.json" embed:tiny shared/m >/dev/null' "$0" "$1"
			"$0" umount shared/m
			ls hidden`,
	} {
		r := inNamespace(t, `cd "$1"; `+script, t.TempDir())
		require.Zero(t, r.code, r.errors)
		require.Empty(t, r.errors, name)
		require.NotContains(t, r.out, "not saved", name)
		if name == "bound" {
			require.Contains(t, r.out, fmt.Sprint("code ", exitServerLives))
			require.True(t, strings.HasSuffix(r.out, "\nheat.json\nheat.json.learned\n"), r.out)
		} else {
			require.Empty(t, r.out, name)
		}
	}
}
