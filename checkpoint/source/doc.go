// Package source gives bytes their place: a [Source] is one file, wherever it
// is, and a [Folder] is a place that holds files.
//
// Local files and files inside the program are here. What is on a network is a
// folder of package remote, for which packages s3, hub and web make the requests; its
// cache on a drive, package diskcache, is a Folder around it, whose sources are around
// the other's. Another kind implements both interfaces in a package of its own.
//
// Nothing outside asks what kind a source is. Who reads much asks how: Align and
// Mechanism tell, and Near, whether bytes are at hand or have to be fetched.
package source
