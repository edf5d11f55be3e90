// Package trace reads and writes recorded routing: which experts each layer
// chose for each token.
//
// A trace is lines of text, possibly compressed by gzip:
//
//	token,layer,e0,e1,...
//
// One line is one step: the experts that a layer chose, in the order the
// router ranked them where that is known. Lines come in the order in which
// they happened; a line with the token and layer of the one before is the
// next step nevertheless. Lines that begin with # are comments. Those made of
// key=value words tell about the recording; a reader knows
//
//	layers, experts, top-k   the model
//	expert-bytes             the size of one expert
//	steps=hints              the steps that follow were announced by the reader
//	steps=opens              they were found in the order of opens
//
// and ignores all others.
package trace
