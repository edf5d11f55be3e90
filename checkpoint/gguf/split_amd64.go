package gguf

import "golang.org/x/sys/cpu"

// splitGGMLAVX2 is splitGGML for at least one block. It reads no byte beyond them.
//
//go:noescape
func splitGGMLAVX2(blocks, scales, src *byte, n int)

// splitOllamaAVX2 is splitOllama for at least one block. It reads no byte beyond them.
//
//go:noescape
func splitOllamaAVX2(blocks, scales, src *byte, n int)

// fence has what the functions wrote be seen before what is written later. It costs as
// much as ten lines, so it is called once for many rows.
func fence()

var haveAVX2 = cpu.X86.HasAVX2

// splitGGML takes blocks of ggml's MXFP4 apart.
func splitGGML(blocks, scales, src []byte) {
	if !canSplit(blocks, scales, src) {
		splitGGMLGeneric(blocks, scales, src)
		return
	}
	splitGGMLAVX2(&blocks[0], &scales[0], &src[0], len(scales))
}

// splitOllama takes blocks of Ollama's MXFP4 apart.
func splitOllama(blocks, scales, src []byte) {
	if !canSplit(blocks, scales, src) {
		splitOllamaGeneric(blocks, scales, src)
		return
	}
	splitOllamaAVX2(&blocks[0], &scales[0], &src[0], len(scales))
}

// canSplit tells whether the assembly serves. It trusts the lengths, so they are
// looked at.
func canSplit(blocks, scales, src []byte) bool {
	if !haveAVX2 || len(scales) == 0 {
		return false
	}
	_, _ = blocks[16*len(scales)-1], src[blockBytes*len(scales)-1]
	return true
}
