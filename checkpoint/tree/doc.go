// Package tree opens a copy of a mount, which has a file for each expert: a plain
// model folder that gptoss runs as it is, and that can be mounted again.
package tree
