// Package checkpoint opens GPT-OSS checkpoints and describes them as a tree of
// files in which every expert is one.
//
// [Open] accepts the two published layouts, OpenAI's and Hugging Face's, in one
// file or in shards, and the model that is embedded in the program. It reads
// headers only. Everything a later read depends on is checked there against
// the config and the length of the files: type, shape and place of every tensor.
//
// A [View] is a safetensors file that does not exist: a header made here,
// followed by pieces of the checkpoint's files. Views of one model are
// the same bytes whichever layout the checkpoint has.
package checkpoint
