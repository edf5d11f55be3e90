// Package nvme is the NVMe tier: it reads views of a checkpoint from the drive.
//
// A view is cut into pieces of at most a few MiB, none of which crosses an
// extent. A fixed number of workers, each with a buffer of its own, read
// pieces with O_DIRECT (the aligned superset of the piece) and copy them into
// place. So several reads are in flight, the copy of one piece overlaps the
// reads of others, the memory for it is fixed, and the page cache stays out of
// the way: it would hold a second copy of what RAM holds already.
//
// Reading may begin before there is memory to read into (Load): what goes by way of a
// buffer needs it only when it is copied.
//
// Extents begin anywhere in a sector, but drives that transfer to addresses
// in multiples of a few bytes, as NVMe drives do, need no copy: all of an
// extent but its ends is read straight into its place. Where the address must
// be a multiple of a sector too (virtual drives), that is so by luck only.
//
// Workers take the pieces of demand reads before those of prefetches, and
// the pieces of one read before those of the next: with the drive busy
// either way, the first reader is served early and the last one no later.
// Prefetches are read in the order they are due, a part of the workers stays
// free of them, and one that turns out wrong can be dropped half way.
//
// What a part of a view is made of by a transform is read into the worker's
// buffer, all inputs of some units, and made from there into its place: the
// transform takes the place of the copy.
//
// What a source has to fetch over a network goes another way (far.go): to workers of
// its own, more of them and with larger pieces, as each waits long and takes no time of
// the processor meanwhile. So reads of the drive never stand behind the network. The
// order is the same there: demand before prefetches, the first job first.
//
// How a file is opened is its source's matter: see package source. Where
// O_DIRECT is refused reads are buffered, and files embedded in the program are
// copied from memory.
package nvme
