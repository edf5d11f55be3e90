// Package weights gives the engine a model's weights from a folder in which
// every expert is a file: an expertfs mount, or a plain copy of one.
//
// The folder is the whole interface. This package knows its names and tensors,
// maps its files read-only and hands out matrices that lie in the mapped bytes;
// it knows nothing of caches. On a mount the file .expertfs/hints exists, and
// Hints tells it what is used and what will be wanted; on a plain copy Hints
// does nothing.
//
// A mapping lives until its owner closes it. Reading a mapped page can fault
// when the mount behind it dies: goroutines that compute on these matrices run
// under debug.SetPanicOnFault and turn the panic into an error.
package weights
