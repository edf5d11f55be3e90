// Package expertfs is the contract between a mount and those who read it.
//
// A mount shows a mixture-of-experts checkpoint as a tree in which every expert
// of every layer is a file. This package holds what the mount and its readers
// have to agree on, and nothing else: who an expert is, how the tree is named,
// what readers may tell, what the mount counts, and how routing is recorded. Each
// format is written and parsed here, side by side, so that nobody has a copy of
// his own.
//
// It imports the standard library alone.
package expertfs
