// Package layout opens checkpoints in safetensors files, in one of the two
// published layouts: OpenAI's, and Hugging Face's, which cuts some tensors and
// names all of them in another way. A [Layout] is a table of these differences;
// all else (config.json, shards and their index, verification, small files) is
// common to both.
package layout
