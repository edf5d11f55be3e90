// Package usage is what the command lines of both programs have in common: the command
// at the root, and what is said of a wrong one: which flag, what was given, and what is
// allowed. Cobra and its parsers say which of their functions failed.
package usage
