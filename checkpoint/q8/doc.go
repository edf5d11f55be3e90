// Package q8 rounds dense matrices to 8 bits, in the order in which they are
// multiplied.
//
// A matrix becomes integers, and a bfloat16 scale for every 32 columns of a row:
// 1.0625 bytes a weight. Rows are grouped in tiles of 16, the last one filled up
// with zeros, and columns in blocks of 32, likewise. A tile's 32 columns of a block
// stand together, as 8 groups of 64 bytes: group k has, for each of the 16 rows,
// the elements 4k to 4k+3 of the block's 16 even, then 16 odd columns. That is the
// order in which dot-product and matrix instructions want one operand.
//
//	data   [tiles][blocks][8][16][4] int8
//	scales [tiles][blocks][16] bfloat16
//
// A block's scale is its largest magnitude over 127, rounded up to a bfloat16; an
// integer is the number over the scale, rounded to the nearest, ties to even. A
// block below 2^-100 is zeros. One with an infinity or a NaN has the scale NaN, so
// that it shows in every product.
//
// Who computes rounds rows with Row, Floats and Q8_0; a mount makes files of rounded
// matrices with [View], by the same functions, once for all of its readers.
package q8
