// Package infer runs GPT-OSS models whose experts are files.
//
// An Engine holds what all texts share: the dense weights, the threads and the
// experts that are mapped. A Session is one text: the keys and values of the
// tokens so far. Append runs the model over more tokens; Logits gives the
// prediction after the last.
//
// An expert's file is opened when the router has chosen it, never before. On an
// expertfs mount that open is what the cache sees; on a plain copy of a mount
// it is a file like any other, and the results are the same, bit by bit: the
// order in which sums are formed depends neither on which expert arrives first
// nor on the number of threads or the size of a batch.
package infer
