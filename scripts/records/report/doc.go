// Package report keeps what was measured as data and draws it. A Record is what one
// part of the measuring gave on one machine; it is a file, docs/benchmarks/MACHINE/
// PART.json, and all that docs/benchmarks.md and README.md say in figures is drawn
// from these files, between markers. Equal data give equal text, so a test holds
// that both belong together.
package report
