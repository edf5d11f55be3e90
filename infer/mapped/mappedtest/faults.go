// Package mappedtest helps tests that read mapped files which have gone.
package mappedtest

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"expertfs/infer/mapped"

	"golang.org/x/sys/unix"
)

// NeedFaults skips t where a program does not learn that a mapped file cannot be
// read any more: emulators of other processors give no address with such a fault,
// which makes it look like a bug of the program.
func NeedFaults(t testing.TB) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cut")
	if err := os.WriteFile(path, make([]byte, 1<<16), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	data, err := unix.Mmap(int(file.Fd()), 0, 1<<16, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Munmap(data) }()
	if err := file.Truncate(0); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if r := recover(); r != nil {
			t.Skipf("faults of mapped files look like bugs here, as under qemu: %v", r)
		}
	}()
	err = mapped.Guard(func() error {
		if data[len(data)-1] != 0 {
			return errors.New("it has what it never had")
		}
		return nil
	})
	if fault := new(mapped.FaultError); !errors.As(err, &fault) {
		t.Fatalf("a file that was cut is read: %v", err)
	}
}
