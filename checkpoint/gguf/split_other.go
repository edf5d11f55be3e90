//go:build !amd64 && !arm64

package gguf

// splitGGML takes blocks of ggml's MXFP4 apart.
func splitGGML(blocks, scales, src []byte) { splitGeneric(blocks, scales, src) }

// fence has nothing to do: the writes are plain ones.
func fence() {}
