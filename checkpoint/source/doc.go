// Package source gives bytes their place: a [Source] is one file, wherever it
// is, and a [Folder] is a place that holds files.
//
// Local files and files inside the program are the two kinds there are. Another
// kind (an object store, a hub) implements both interfaces in a package of its
// own; a cache on a drive is a Folder around a Folder, whose sources are around
// the other's. Nothing outside this package asks what kind a source is.
package source
