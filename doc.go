// Package expertfs is the contract between a mount and those who read it.
//
// A mount shows a mixture-of-experts checkpoint as a tree in which every expert
// of every layer is a file. This package holds what the mount and its readers
// have to agree on, and nothing else: who an expert is, how the tree is named, what
// readers may tell, and what the mount counts. Each format is written and parsed
// has a copy of its own.
//
// It imports the standard library alone.
package expertfs
