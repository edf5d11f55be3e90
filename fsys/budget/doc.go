// Package budget reads sizes of the RAM tier as people write them ("6GiB",
// "40%") and finds out how much memory this process may use, control groups
// included.
package budget
