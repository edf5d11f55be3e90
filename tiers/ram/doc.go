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
// Where huge pages are refused a plain tmpfs serves. Where mounting is refused
// (no CAP_SYS_ADMIN) the tmpfs is mounted in a user namespace, see Helper; then
// nobody can change its limit, so it has none. Where that is refused as well
// memfds serve. They have no huge pages on most systems: fresh 4 KiB pages cost
// ten times as much as the copy into them. Mechanism tells which and why.
//
// # Slots are written once
//
// Somebody may refer to the pages of a slot and be seen by no test. A reader
// that closes its descriptor may keep its mapping; and it may have moved pages
// into a pipe or a socket by splice(2), sendfile(2) or vmsplice(2), or have
// registered them with io_uring, and then have closed and unmapped everything.
// Whoever overwrote such a page would change what comes out of the pipe.
//
// So a slot is filled once, by the load that made it, and sealed: mapped
// read-only, and for memfds write-sealed. A load that takes the room of another
// expert closes that one's slot and makes a file of its own. Pages of the old
// one live on, unchanged, for as long as anything refers to them. Fresh pages
// cost the kernel clearing them: 0.3 to 0.5 ms for 13.2 MB by huge pages.
//
// # What evicting frees
//
// Slot.Idle is the test for whether closing a slot frees its memory: the kernel
// grants a write lease on a file only if nobody else has it open or maps it. The
// caller must hold off new opens of the slot from the test until it has changed
// what the slot is handed out as. A slot that is not idle stays charged.
//
// The test does not see pages in pipes and sockets. Their number is bounded by
// the kernel's limits for those, not by the tier's.
//
// # Swap
//
// The tmpfs stays out of swap (noswap) where the kernel has that option, Linux
// 6.4 and later, and the process CAP_SYS_ADMIN. Elsewhere, and for memfds, the
// kernel may swap slots out, and a hit may then have to wait for the swap.
package ram
