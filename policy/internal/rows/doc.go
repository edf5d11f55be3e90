// Package rows is arithmetic over rows of numbers, which policies that learn do
// most of their work in. Of numbers, vector instructions give the same bits as the
// portable code: each product and each sum is rounded. Of NaN they may not.
package rows
