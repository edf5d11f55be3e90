// Package gguftest writes GGUF files out of other checkpoints, for tests: in both
// dialects and with the types that package gguf serves. It shares no code with
// that package, and works value by value where that one works by blocks.
package gguftest
