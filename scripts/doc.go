// Package scripts holds what is run beside the two programs: the download of
// the real weights, the demo, the comparison with llama.cpp (and
// scripts/records, which measures all of docs/benchmarks.md), converters of
// other projects' traces and the recipe of the embedded model. The Go files
// here only test them.
package scripts
