package expertfs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"expertfs"
	"expertfs/checkpoint/safetensors"
)

// An expert is a safetensors file. Opening it waits until its bytes are in RAM; any
// reader of the format finds the tensors.
func Example() {
	m, err := expertfs.Open(mountTiny())
	if err != nil {
		panic(err)
	}
	defer m.Close()
	e, err := m.OpenExpert(expertfs.Key{Layer: 2, Expert: 7})
	if err != nil {
		panic(err)
	}
	defer e.Close()
	size, err := e.Size()
	if err != nil {
		panic(err)
	}
	header, err := safetensors.ReadHeader(e, size)
	if err != nil {
		panic(err)
	}
	for _, t := range header.Tensors {
		data := make([]byte, t.Length)
		if _, err := e.ReadAt(data, t.Offset); err != nil {
			panic(err)
		}
		fmt.Println(t.Name, t.DType, t.Shape, len(data), "bytes")
	}
	// Output:
	// mlp1_weight.blocks U8 [192 6 16] 18432 bytes
	// mlp2_weight.blocks U8 [192 3 16] 9216 bytes
	// mlp1_weight.scales U8 [192 6] 1152 bytes
	// mlp2_weight.scales U8 [192 3] 576 bytes
	// mlp1_bias BF16 [192] 384 bytes
	// mlp2_bias BF16 [192] 384 bytes
}

// A reader says what its router chose before it opens the experts, and what it
// will probably want. A prefetch returns at once.
func ExampleMount_Hint() {
	m, err := expertfs.Open(mountTiny())
	if err != nil {
		panic(err)
	}
	defer m.Close()
	soon := expertfs.Key{Layer: 1, Expert: 11}
	if err := m.Hint(expertfs.Step, expertfs.Key{Layer: 0, Expert: 3}, expertfs.Key{Layer: 0, Expert: 9}); err != nil {
		panic(err)
	}
	if err := m.Hint(expertfs.Prefetch, soon); err != nil {
		panic(err)
	}
	link := m.Path(expertfs.ControlPath(expertfs.ResidentDir + "/" + m.Names().Resident(soon)))
	for {
		if _, err := os.Lstat(link); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	fmt.Println(soon, "is in RAM")

	// The mount says why it refuses a hint.
	err = m.Hint(expertfs.Touch, expertfs.Key{Layer: 9})
	s, _ := m.Stats()
	fmt.Println(errors.Is(err, syscall.EINVAL), s.LastRefused.Reason)
	// Output:
	// layer 1 expert 11 is in RAM
	// true line 1: layer "09": want a number from 0 to 3
}

// What was used in between is the difference of two counts.
func ExampleMount_Stats() {
	m, err := expertfs.Open(mountTiny())
	if err != nil {
		panic(err)
	}
	defer m.Close()
	before, err := m.Stats()
	if err != nil {
		panic(err)
	}
	for range 4 {
		e, err := m.OpenExpert(expertfs.Key{Layer: 3, Expert: 5})
		if err != nil {
			panic(err)
		}
		e.Close()
	}
	after, err := m.Stats()
	if err != nil {
		panic(err)
	}
	used := after.Cache.Uses.Sub(before.Cache.Uses)
	fmt.Printf("%s: %d uses, hit rate %.0f%%\n", after.Model, used.Total(), 100*used.HitRate())
	// Output:
	// embed:tiny: 4 uses, hit rate 75%
}

// Names spells paths and hints alike, padded to the largest number of the model.
func ExampleNames() {
	n := expertfs.Names{Layers: 36, Experts: 128}
	k := expertfs.Key{Layer: 7, Expert: 3}
	fmt.Println(n.ExpertPath(k))
	fmt.Printf("%s", n.AppendHint(nil, expertfs.Step, k, expertfs.Key{Layer: 7, Expert: 101}))
	// Output:
	// layers/07/experts/003.safetensors
	// step 07/003 07/101
}
