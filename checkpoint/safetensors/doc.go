// Package safetensors reads and writes the header of safetensors files.
//
// A safetensors file is an 8-byte little-endian length, a JSON header of that
// length, and the tensors' bytes. Only headers are handled here: the bytes
// stay where they are, and a [Tensor] says where that is.
//
// ReadHeader trusts nothing: every number is checked against the length of the
// file, and no allocation is larger than the file warrants.
package safetensors
