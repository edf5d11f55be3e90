// Package checkpoint opens GPT-OSS checkpoints and describes them as a tree of
// files in which every expert is one.
//
// [Open] finds out where the user's words point to (a scheme before a colon, or
// a path), and which format lies there; schemes.go and formats.go list what
// there is. Opening reads headers only. Everything a later read depends on is
// checked there against the config and the length of the files: type, shape and
// place of every tensor.
//
// A [View] is a safetensors file that does not exist: a header made here,
// followed by pieces of the checkpoint's files. Views of one model are the same
// bytes whichever format the checkpoint has.
package checkpoint
