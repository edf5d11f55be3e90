// Package scripted has an engine that says given tokens in place of a model's.
// It shows how a server treats what a model may say, good or bad.
package scripted
