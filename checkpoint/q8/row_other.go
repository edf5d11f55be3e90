//go:build !amd64 && !arm64

package q8

// Row is RowGeneric by the processor's best instructions.
func Row(data []int8, scales []uint16, row []byte) { RowGeneric(data, scales, row) }
