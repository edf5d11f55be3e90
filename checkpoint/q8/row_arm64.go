package q8

// rowNEON rounds n whole blocks of a row.
//
//go:noescape
func rowNEON(data *int8, scales *uint16, row *byte, n int)

// Row is RowGeneric by the processor's best instructions.
func Row(data []int8, scales []uint16, row []byte) {
	whole := len(row) / (2 * BlockLen)
	if whole == 0 {
		RowGeneric(data, scales, row)
		return
	}
	// The assembly trusts these.
	_, _ = data[(whole-1)*TileBlock+index(BlockLen-1)], scales[(whole-1)*TileRows]
	rowNEON(&data[0], &scales[0], &row[0], whole)
	if rest := row[whole*2*BlockLen:]; len(rest) > 0 {
		RowGeneric(data[whole*TileBlock:], scales[whole*TileRows:], rest)
	}
}
