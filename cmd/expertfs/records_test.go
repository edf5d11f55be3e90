package main

import (
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
		require.Len(t, report(t, point).Records, 2)
		require.NotContains(t, run(t, "status", point).out, "not recorded")
		fill()
		lost := "--trace " + trace + ": it has ended: "
		for n := 0; !strings.Contains(run(t, "status", point).out, "# not recorded: "+lost); n++ {
			require.Less(t, n, 10000, "the trace finds no end")
			access(t, point, "03/01", "00/02", "01/03", "02/04") // until the last page is full
		}
		require.Contains(t, run(t, "status").out, lost)
		r := run(t, "umount", point)
		require.Zero(t, r.code)
		require.Contains(t, r.errors, "expertfs: warning: "+point+": "+lost)
		require.Contains(t, r.errors, "--heat "+heat+": what was learned was not saved in the end")
	}
}

// TestRecordsAreWritten: of what was written nobody hears.
func TestRecordsAreWritten(t *testing.T) {
	dir := t.TempDir()
	point := mountTiny(t, "--trace", filepath.Join(dir, "trace.csv"), "--heat", filepath.Join(dir, "heat.json"))
	access(t, point, "00/01", "01/02")
	require.Equal(t, result{0, "", ""}, run(t, "umount", point))
}
