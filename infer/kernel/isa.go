package kernel

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// isa is one implementation of the package's inner loops, for one instruction-set
// level. A new one is new files only: its value, which it registers, and what that
// needs; the tests find it. Slices have exactly the lengths that the shapes give,
// unless they say "at least".
type isa struct {
	name   string
	rank   int         // among those that a processor can run, the highest is the best
	usable func() bool // on this processor, under this system

	// bf16Vec sets dst[r] to row r of w ([len(dst)][cols][2]) times x
	// ([padded cols], even and odd elements split).
	bf16Vec func(dst []float32, w []byte, cols int, x []float32)

	// mxfp4Float and mxfp4Int8 set dst[r] to row r times x, which is a Vec's; the
	// rows have len(scales)/len(dst) blocks.
	mxfp4Float func(dst []float32, blocks, scales []byte, x []float32)
	mxfp4Int8  func(dst []float32, blocks, scales []byte, x *int8Rows)

	// one makes x.one of x, a single vector. A level whose mxfp4Int8 reads no such thing
	// lacks it.
	one func(x *int8Rows)

	// q8Vec sets dst to a tile of nb blocks times vector i of x.
	q8Vec func(dst *[tileRows]float32, data []int8, scales []uint16, x *int8Rows, i, nb int)

	// mxfp4Few sets dst[i*stride+r] to row r times vector i of n, at most fewPart; x has
	// [blocks/4][n] of them, and the rows have len(scales)/rows blocks. A level may
	// lack it.
	mxfp4Few func(dst []float32, stride, rows int, blocks, scales []byte, x []fewBlocks, n int)

	// The following four are for batches. A level may lack the pair for floats or
	// the pair for integers; then vectors are multiplied one by one.

	// bf16Batch sets dst[i*stride+r] to row r of w times vector i of the n vectors
	// x; mxfp4BF16 unpacks blocks to bfloat16.
	bf16Batch func(dst []float32, stride, rows int, w []byte, cols int, x []float32, n int)
	mxfp4BF16 func(dst []byte, blocks, scales []byte)
	// q8Batch sets dst[i*stride+r] to row r of a tile of nb blocks times vector i
	// of x, for from <= i < to. unpacked says that the tile is one of mxfp4Tile, which
	// unpacks 16 rows: its weights are at most 12 in magnitude, and may stand in it as
	// the level likes. With such a tile all vectors of x come, which are more than
	// maxFew where a level has mxfp4Few.
	q8Batch   func(dst []float32, stride int, data []int8, scales []uint16, x *int8Rows, from, to, nb int, unpacked bool)
	mxfp4Tile func(data []int8, tileScales []uint16, blocks, scales []byte)

	wantsLanes bool // q8Batch reads int8Rows.lanes

	// split sets dst, in blocks of 32, to the even, then the odd elements of x,
	// rounded to bfloat16 if round is set, and to zeros beyond x.
	split func(dst, x []float32, round bool)
	// quantize prepares x as vector i of dst, of which it has at most the length.
	quantize func(dst *int8Rows, i int, x []float32)

	// add to addWeighted are as the exported functions of their names;
	// expSum sets s[i] to Exp(s[i]-m) and returns the sum of that in 8 parts.
	add             func(dst, x []float32)
	addScaled       func(dst []float32, a float32, x []float32)
	addBF16         func(dst []float32, src []byte)
	swiglu          func(dst, a []float32, limit, alpha float32)
	expSum          func(s []float32, m float32) float32
	dotsF32         func(dst, q, keys []float32, scale float32)
	dotsBF16        func(dst, q []float32, keys []uint16, scale float32)
	addWeightedF32  func(dst, w, values []float32)
	addWeightedBF16 func(dst, w []float32, values []uint16)
	sum64           func(b []byte) uint64

	// widenInt8 is as the exported function of its name. A level may lack it.
	widenInt8 func(dst []float32, src []int8)
}

// registered are the levels that the program was built with, in no order.
var registered []*isa

// register makes a level known. It is called where a package variable is
// initialized, "var _ = register(neon)": before init chooses.
func register(level *isa) bool {
	registered = append(registered, level)
	return true
}

// supported returns the levels that this processor can run, the best one last.
func supported() []*isa {
	var levels []*isa
	for _, level := range registered {
		if level.usable() {
			levels = append(levels, level)
		}
	}
	slices.SortFunc(levels, func(a, b *isa) int { return a.rank - b.rank })
	return levels
}

// Variable is the environment variable that names the level to use.
const Variable = "EXPERTFS_KERNEL"

// active is the level in use.
var (
	active  *isa
	initErr error
)

func init() { active, initErr = choose(os.Getenv(Variable), supported()) }

// Err tells what is wrong with the level that EXPERTFS_KERNEL names; the package
// then works with the best level that the processor has. Programs check it at start.
func Err() error { return initErr }

// Name is the level in use.
func Name() string { return active.name }

// Portable tells whether the level in use is the one in plain Go, which is many
// times slower than the others: 19 times on a processor with AVX-512.
func Portable() bool { return active == generic }

// Names are the levels that this processor can run, the best one last.
func Names() []string {
	var names []string
	for _, level := range supported() {
		names = append(names, level.name)
	}
	return names
}

// choose returns the level with the given name, or the last and best one.
func choose(name string, levels []*isa) (*isa, error) {
	best := levels[len(levels)-1]
	if name == "" {
		return best, nil
	}
	var names []string
	for _, level := range levels {
		if level.name == name {
			return level, nil
		}
		names = append(names, level.name)
	}
	return best, fmt.Errorf("%s=%q: no such kernel on this processor, which has %s", Variable, name, strings.Join(names, ", "))
}
