// Package weights gives the engine a model's weights from a folder in which
// every expert is a file: an expertfs mount, or a plain copy of one.
//
// The folder is the whole interface. This package knows its tensors and hands out
// matrices that lie in the mapped bytes, or that were rounded from them once; when
// an expert is opened is decided by package experts. It knows nothing of caches.
//
// A mapping lives until its owner closes it. Reading a mapped page can fault
// when the mount behind it dies: see package mapped.
package weights
