//go:build !amd64

package rows

// The functions below tell how much of a row they have done: nothing.

func add([]float32, []float32, float32) int                         { return 0 }
func add4([]float32, *[4][]float32, *[4]float32) int                { return 0 }
func descend([]float32, []float32, []float32, float32, float32) int { return 0 }
func sigmoidRow([]float32, []float32) int                           { return 0 }
