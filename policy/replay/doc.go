// Package replay runs policies over recorded routing: hit rates and miss
// bytes at any budget, beside those of Belady's MIN, which knows the future
// and cannot be beaten. It draws the curves, too.
package replay
