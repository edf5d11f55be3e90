package gguf

import "golang.org/x/sys/cpu"

// splitAVX2 is splitGGML for at least one block. It reads no byte beyond them.
//
//go:noescape
func splitAVX2(blocks, scales, src *byte, n int)

// fence has what splitGGML wrote be seen before what is written later. It costs as
// much as ten lines, so it is called once for many rows.
func fence()

var haveAVX2 = cpu.X86.HasAVX2

// splitGGML takes blocks of ggml's MXFP4 apart.
func splitGGML(blocks, scales, src []byte) {
	if !haveAVX2 || len(scales) == 0 {
		splitGeneric(blocks, scales, src)
		return
	}
	// The assembly trusts these.
	_, _ = blocks[16*len(scales)-1], src[blockBytes*len(scales)-1]
	splitAVX2(&blocks[0], &scales[0], &src[0], len(scales))
}
