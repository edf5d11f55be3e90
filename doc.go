// Package expertfs is the contract between a mount and those who read it, and the
// manual of the mount.
//
// A mount shows a mixture-of-experts checkpoint as a tree in which every expert
// of every layer is a file:
//
//	config.json, tokenizer.json, ...
//	dense/embedding.safetensors
//	dense/unembedding.safetensors
//	layers/LL/dense.safetensors
//	layers/LL/experts/EE.safetensors
//	.expertfs/                           not listed, and not in a copy
//
// The files are read-only. Opening an expert returns when its bytes are in RAM, and
// keeps them there until it is closed and no mapping of it is left; the mount keeps
// within a budget of RAM by evicting others, as its policy decides. A folder that
// was copied from a mount has the same files, and can be used in its place.
//
// # Reading
//
// Open takes a mount or a copy, and OpenExpert opens an expert by the best way there
// is: by the mount's socket, which hands out the memory of the expert itself
// (SocketFile says how), or else as a file. Either way it can be read and mapped.
// An expert is a safetensors file of six tensors; docs/format.md says what is in
// them and reads one from Python and from C. Package
// expertfs/checkpoint/safetensors is the reader of the format in Go.
//
// # Telling
//
// A mount sees opens, and not what is read of a file that stays open or mapped.
// Readers that keep files tell by hints what they do with them and what they will
// want: Hint, and Names for writing and parsing them. Hints are advice. They
// change which experts are in RAM, and never what is read.
//
// # Asking
//
// The control files in .expertfs tell and set what a mount does. Stats is stats.json,
// FormatSize and ParseSize are the sizes of ram, and a trace, which is recorded
// routing, is read and written by TraceReader and TraceWriter. Uses is what a hit
// rate is made of, here and everywhere else in the project. Which experts are in
// RAM now is not asked for but seen: OpenResidency maps a page that shows it.
//
// # What it depends on
//
// The standard library alone, so that any program can use it, and so that it
// binds the mount's server to nothing. All formats are written and parsed side by
// side here; nobody has a copy of his own.
package expertfs
