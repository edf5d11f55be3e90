// Package sample chooses the next token from a model's logits.
//
// The choice is a short pipeline: logits are divided by the temperature, the
// most probable tokens are kept as top-k, top-p and min-p demand, and one of
// them is drawn. All randomness comes from one seeded generator, so the same
// seed and the same logits give the same tokens on every machine.
package sample
