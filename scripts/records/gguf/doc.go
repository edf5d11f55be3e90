// Package gguf writes a GGUF file of random weights with the dimensions of
// gpt-oss-20b, which llama.cpp and expertfs both take: what is compared computes
// with the same bytes. Experts are MXFP4, dense matrices Q8_0, all else F32, as in
// the published file. It has no tokenizer; measuring needs none.
package gguf
