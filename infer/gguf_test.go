package infer

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"expertfs/checkpoint"
	"expertfs/checkpoint/gguf/gguftest"

	"github.com/stretchr/testify/require"
)

// ggufTree is the tree of a model in a GGUF form; edit may change its tensors.
func ggufTree(t *testing.T, ck *checkpoint.Checkpoint, form string, edit func(*gguftest.Tensor)) string {
	t.Helper()
	kvs, tensors := gguftest.Model(t, ck, gguftest.Forms[form])
	for i := range tensors {
		if edit != nil {
			edit(&tensors[i])
		}
	}
	return makeTree(t, gguftest.Save(t, t.TempDir(), kvs, tensors, 1)[0])
}

// exactF32 writes the values that a Q8_0 matrix stands for.
func exactF32(x *gguftest.Tensor) {
	if x.Kind != gguftest.Q8_0 {
		return
	}
	var values []float32
	for i := 0; i < len(x.Data); i += 34 {
		scale := float32(gguftest.FromHalf(binary.LittleEndian.Uint16(x.Data[i:])))
		for _, q := range x.Data[i+2 : i+34] {
			values = append(values, float32(int8(q))*scale)
		}
	}
	x.Kind, x.Data = gguftest.F32, gguftest.Quantise(gguftest.F32, values)
}

// modelForGGUF makes a small model that both dialects of GGUF can tell.
func modelForGGUF(t *testing.T) (path string, ck *checkpoint.Checkpoint) {
	c := smallConfig()
	c.Rope.Beta = 32 // Ollama has no key for another one
	path, _ = randomModel(t, c, 5)
	ck, err := checkpoint.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ck.Close()) })
	return path, ck
}

// TestGGUF has the same logits, to the bit, from every form of one model that has
// the same weights.
func TestGGUF(t *testing.T) {
	path, ck := modelForGGUF(t)
	ids := randomIDs(rand.New(rand.NewPCG(1, 2)), 30, 131)
	plain := makeTree(t, path)
	logits := func(tree, act string) [][]uint32 {
		return allLogits(t, open(t, tree, Options{Act: act, Threads: 2, Batch: 16}).NewSession(), ids)
	}
	// Values of bfloat16 are exact in F32, and those of a usual size in F16; they
	// are rounded to 8 bits alike. Float activations take them in another order.
	for _, form := range []string{"bf16", "ollama4", "ollama39", "f32", "f16"} {
		tree := ggufTree(t, ck, form, nil)
		require.Equal(t, logits(plain, "int8"), logits(tree, "int8"), form)
		if strings.HasPrefix(form, "f") {
			requireNear(t, logits(plain, "f32"), logits(tree, "f32"), 1e-4)
			continue
		}
		for _, act := range []string{"f32", "bf16"} {
			require.Equal(t, logits(plain, act), logits(tree, act), "%s %s", form, act)
		}
	}
	// Q8_0 is computed from as it stands in the file.
	q8, same := ggufTree(t, ck, "q8_0", nil), ggufTree(t, ck, "q8_0", exactF32)
	for _, act := range []string{"f32", "bf16"} {
		require.Equal(t, logits(same, act), logits(q8, act), act)
	}
	// What rounding to 8 bits costs such a small model, and not more.
	limit := meanDifference(logits(plain, "f32"), logits(plain, "int8"))
	require.Positive(t, limit)
	require.Less(t, meanDifference(logits(plain, "f32"), logits(q8, "f32")), 1.5*limit)
	require.Less(t, meanDifference(logits(q8, "f32"), logits(q8, "int8")), 1.5*limit)
}

// meanDifference compares logits, which are given in bits.
func meanDifference(a, b [][]uint32) float64 {
	var sum float64
	for p := range a {
		for i, bits := range a[p] {
			sum += math.Abs(float64(math.Float32frombits(bits) - math.Float32frombits(b[p][i])))
		}
	}
	return sum / float64(len(a)*len(a[0]))
}

// TestF32Biases has biases of experts that bfloat16 cannot hold.
func TestF32Biases(t *testing.T) {
	path, ck := modelForGGUF(t)
	ids := randomIDs(rand.New(rand.NewPCG(1, 2)), 30, 131)
	changed := 0
	tree := ggufTree(t, ck, "bf16", func(x *gguftest.Tensor) {
		if strings.HasSuffix(x.Name, "_exps.bias") {
			x.Data = bytes.Clone(x.Data)
			for i := 0; i < len(x.Data); i += 4 {
				v := math.Float32frombits(binary.LittleEndian.Uint32(x.Data[i:])) * (1 + 1e-4)
				binary.LittleEndian.PutUint32(x.Data[i:], math.Float32bits(v))
				changed++
			}
		}
	})
	require.Positive(t, changed)
	o := Options{Act: "f32", Threads: 2}
	want := allLogits(t, open(t, makeTree(t, path), o).NewSession(), ids)
	got := allLogits(t, open(t, tree, o).NewSession(), ids)
	require.NotEqual(t, want, got, "biases are not taken as they are")
	requireNear(t, want, got, 1e-3)
}

// requireNear compares logits, which are given in bits.
func requireNear(t *testing.T, want, got [][]uint32, worst float64) {
	t.Helper()
	for p := range want {
		for i, bits := range want[p] {
			require.InDelta(t, math.Float32frombits(bits), math.Float32frombits(got[p][i]), worst, "position %d id %d", p, i)
		}
	}
}
