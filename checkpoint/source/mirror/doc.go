// Package mirror reads one checkpoint from several copies of it, each on a drive of
// its own.
//
// # Data
//
// A [Set] is the drives: the checkpoint's own first, then one for each mirror. A
// [Set.Folder] is a source.Folder of which each file has a copy on the first drive
// and on those others that have a file of its name. A copy may lack files; then
// these are read from where they are.
//
// # Identity
//
// A copy of a file is admitted when it has the length of the checkpoint's own, the same
// bytes in a sample (its beginning, where headers are, and pages from all over it),
// and no hole where the own has something else than zeros. Small files are compared
// whole. That is so when the file is first opened and each time that a copy comes
// back. What is no copy is a problem that [Set.Verify] names, so that the mount is
// refused; it is never read. Two files that differ in some bytes between the pages of
// the sample cannot be told apart without reading them: [Set.Compare] does.
//
// # Owners
//
// The set owns the descriptors: of each copy of a file at most two, one through the
// page cache and one past it, opened when a source of the file is, closed with the last
// one. A copy that is given up is closed at once, as soon as nobody reads from it, so
// that its drive can be taken away.
//
// # Which drive reads what
//
// Of each drive the set knows the bytes that are being read, the speed at which it
// delivered lately (bytes over the time in which it had anything to do), and how long
// it takes to answer beyond that. A read goes to the drive that will be through with it
// first, by these. So small reads go to the one that answers first, and the pieces of
// an expert, which the NVMe tier cuts smaller where there are copies, are divided by
// speed, and the drives finish together. A drive that owes an answer counts as late by
// that time, and has a bounded number of reads: one that hangs gets no more of
// them, and leaves the others theirs. One that was not asked for some seconds gets a
// read, as it may be faster by now.
//
// Reads that need no alignment (headers, small files) go to the first drive as long as
// it serves.
//
// # Failures
//
// A read that fails is tried at the next drive; it fails when it did at all of them.
// After each read the copy is asked whether it still is the file that was opened.
//
//   - An error of a read (EIO, ESTALE, ENODEV) is the drive's: it is left for a second,
//     then for two, and so on up to a minute. Then one read tries it.
//   - A file that is gone, replaced, shorter or modified is the file's: this copy of it is
//     closed and left so; then it is opened by its name again, and admitted or not.
//
// What is left is read nevertheless where there is nothing else. That a drive fails is
// logged once, and once that it serves again.
//
// # Locks
//
//	copied.mu < Set.mu
//
// copied.mu guards the descriptors of a copy, Set.mu all figures and choices. Neither
// is held during a read.
package mirror
