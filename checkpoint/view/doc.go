// Package view describes files that do not exist: a safetensors header made by
// the program, followed by pieces of a checkpoint's files. A piece is copied as
// it is, or made by a [Transform] while it is copied, so that a format whose
// bytes lie in another order costs no second pass.
package view
