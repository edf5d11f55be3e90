//go:build !amd64 && !arm64

package gguf

// splitGGML takes blocks of ggml's MXFP4 apart.
func splitGGML(blocks, scales, src []byte) { splitGGMLGeneric(blocks, scales, src) }

// splitOllama takes blocks of Ollama's MXFP4 apart.
func splitOllama(blocks, scales, src []byte) { splitOllamaGeneric(blocks, scales, src) }

// fence has nothing to do: the writes are plain ones.
func fence() {}
