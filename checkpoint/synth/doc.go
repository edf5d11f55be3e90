// Package synth writes synthetic GPT-OSS checkpoints of any dimensions: random
// weights in the published layouts, for tests and measurements without a
// download.
//
// Every byte is a function of the seed, the tensor's name and its offset, so
// that the bytes do not depend on parallelism, on sharding or on the layout: one
// seed is one model. Weights are scaled so that activations keep their size through
// many layers, and the router prefers some experts, about as much as the
// published models do. The text that such a model makes is noise.
package synth
