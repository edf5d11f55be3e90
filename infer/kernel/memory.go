package kernel

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// hugePage is the size of a page of the second level.
const hugePage = 2 << 20

// hugeInt8 returns n bytes of memory for owner, on huge pages where the system
// has them, and outside of the Go heap, which would set aside as much again for
// garbage. The memory goes when owner is collected, so a method of owner that
// reads it keeps owner alive. Small pieces come from the heap.
func hugeInt8[T any](owner *T, n int) []int8 {
	if n < hugePage {
		return alignedInt8(n)
	}
	region, err := unix.Mmap(-1, 0, n+hugePage, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return alignedInt8(n)
	}
	_ = unix.Madvise(region, unix.MADV_HUGEPAGE) // only makes it faster
	runtime.AddCleanup(owner, func(r []byte) { _ = unix.Munmap(r) }, region)
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(region))) % hugePage
	return unsafe.Slice((*int8)(unsafe.Pointer(&region[skip])), n)
}
