// Package gguf opens GPT-OSS models in GGUF files, as llama.cpp and Ollama write
// them, so that they are mounted where they are.
//
// Two dialects name the tensors: architecture "gpt-oss" (llama.cpp), with
// queries, keys and values apart and the rows of gate and up in tensors of their
// own, and "gptoss" (Ollama), with both fused and gate and up in turn, as in
// OpenAI's files. Each tensor is looked for under all of its names.
//
// Experts are MXFP4 in blocks of 17 bytes: a scale, and 32 values of 4 bits. In
// type 39 byte j of a block holds values j and j+16; in Ollama's type 4 it holds
// values 2j and 2j+1, as OpenAI's files do. Transforms take blocks apart in the
// copy that a load makes anyway, and the views of experts are, bit for bit, those
// of the checkpoint that the GGUF file was made from.
//
// Vectors and the router are BF16 where all of their values are exact in it, as
// they are in files made from the published weights, and F32 otherwise. Large
// dense matrices are served as they are: BF16, F16, F32, and Q8_0 as an I8 tensor
// beside its scales, an F16 tensor with ".scales" after its name. Of the other
// quantised types that decode.go has, the F32 values that they stand for are served.
// All else is refused by name.
//
// config.json, tokenizer.json, generation_config.json and chat_template.jinja are made
// of the metadata.
package gguf
