package gguf

// splitNEON is splitGGML for at least one block. It reads no byte beyond them.
//
//go:noescape
func splitNEON(blocks, scales, src *byte, n int)

// splitGGML takes blocks of ggml's MXFP4 apart.
func splitGGML(blocks, scales, src []byte) {
	if len(scales) == 0 {
		return
	}
	// The assembly trusts these.
	_, _ = blocks[16*len(scales)-1], src[blockBytes*len(scales)-1]
	splitNEON(&blocks[0], &scales[0], &src[0], len(scales))
}

// splitOllama takes blocks of Ollama's MXFP4 apart.
func splitOllama(blocks, scales, src []byte) { splitOllamaGeneric(blocks, scales, src) }

// fence has nothing to do: the writes are plain ones.
func fence() {}
