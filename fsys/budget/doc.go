// Package budget is about the size of the RAM tier: it reads one as people write it
// ("6GiB", "40%"), finds out how much memory this process may use and how much is
// left, control groups included, refuses or doubts what does not fit (Demand), and
// moves a budget with the memory that others leave (Governor).
package budget
