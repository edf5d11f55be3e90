// Package diskcache keeps on a drive what was fetched over a network: a source.Folder
// around that of package remote.
//
// # Data
//
// Each place has a folder of its own in the folder of all caches. It holds the
// checkpoint's own files, under their names, and what this package needs:
//
//	config.json                       a file that is there as a whole
//	model.safetensors.part            one of which a part is there, as long as the whole, the rest holes
//	.expertfs-cache/manifest.json     what the place holds: names, lengths, etags, hashes, the revision
//	.expertfs-cache/journal           which ranges of the *.part files are there
//	.expertfs-cache/lock              held by the mount that writes
//
// So a cache that is full is a plain checkpoint, and one that is not cannot be taken
// for one. A range is added to the journal after its bytes are on the drive
// (fdatasync), and taken off before they are given up: whenever the process or the
// machine dies, what the journal says is there is there. Each record has a checksum
// of its own; a record cut short at the end is one that was not written. Ranges are
// whole blocks of 4 KiB, so that O_DIRECT reads of what is around an extent need
// nothing that is not there.
//
// The manifest pins the content: each request asks for the revision or the etag in
// it. A cache of other content is refused, by the name of the file.
//
// # Owners
//
// A read whose bytes are all there is served from the drive. Else what is missing is
// fetched into the reader's own memory, and copied into a buffer from which it is
// written behind the reader's back (behind.go). Others are served from the buffer
// until it is on the drive. Of buffers there is a bounded number: what finds none is
// not kept; Fill waits for one before it fetches, so that no reader waits with it. One
// goroutine, the keeper, syncs what was written and tells the journal, evicts beyond
// the limit, and completes files. Nobody else changes journal and manifest.
//
// Of two mounts of a place the first writes. Others share a cache that is complete,
// and do without one that is not.
//
// # Locks
//
//	Cache.mu, file.gate < file.mu; behind.mu is taken last
//
// file.gate is held for reading while bytes of the file are read; the keeper takes
// it to wait for the reads under way of a range that it has taken off. file.mu
// guards the ranges. A range that is fetched or evicted is a flight: who wants a part
// of it waits for its end, without a lock. Who wants no more of it than a block at its
// edge does not wait (flight.go).
package diskcache
