// Package ram is the RAM tier: memory in slots that a reader can map.
//
// A slot is an unnamed file as long as one expert. The FUSE layer hands its
// descriptor to the kernel (passthrough), so the reader and this process share
// the very pages, and a hit copies nothing.
//
// # Where the pages live
//
// In a tmpfs that is mounted nowhere: it has no path, nobody else sees it, and
// it vanishes with the process, kill -9 included. Its size= makes the kernel
// enforce the limit, and fstatfs tells from outside the program's books what
// is really in use, pages of deleted files that a reader still maps included.
// It is mounted with huge=within_size: mappings of 2 MiB pages, and 4 KiB
// pages for the rest of the file, so that a 13.2 MB expert is charged 13.2 MB
// (huge=always charges 14.7 MB, and 2 MiB for one of 30 KiB).
//
// Where huge pages are refused a plain tmpfs serves, and where mounting is
// refused (no CAP_SYS_ADMIN) memfds do. Mechanism tells which and why.
//
// # Reuse in place
//
// A reader may close its descriptor and keep its mapping, and FUSE tells us of
// the close alone. Whoever overwrites the slot then changes bytes under that
// reader. Slot.Idle is the test for it: the kernel grants a write lease on a
// file only if nobody else has it open or maps it. The caller must hold off
// new opens of the slot from the test until it has changed what the slot is
// handed out as.
//
// The test counts open files and mappings. It does not see pages that a reader
// moved into a pipe or a socket by splice(2) or sendfile(2) and that still
// wait there when it has closed the file.
package ram
