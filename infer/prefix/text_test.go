package prefix

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"expertfs/checkpoint/checkpointtest"
	"expertfs/checkpoint/config"
	"expertfs/checkpoint/layout"
	"expertfs/checkpoint/synth"
	"expertfs/infer"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// start is the token that begins messages in these tests.
const start = 1

// synthetic is a model whose window is no multiple of a block, nor of its batches.
func synthetic() *config.Config {
	return &config.Config{
		Layers: 3, Experts: 8, TopK: 3, Hidden: 96, Intermediate: 64, Vocab: 131,
		HeadDim: 32, Heads: 4, KVHeads: 2, Window: 41, Sliding: []bool{true, false, true},
		RMSEps: 1e-5, SwigluLimit: 7, SwigluAlpha: 1.702,
		Rope: config.Rope{Theta: 10000, Factor: 16, Alpha: 1, Beta: 8, InitialContext: 128},
	}
}

// models are folders of small models.
func models(t *testing.T) map[string]string {
	tiny, tree := t.TempDir(), t.TempDir()
	require.NoError(t, checkpointtest.WriteTree(tiny, "embed:tiny"))
	ck := filepath.Join(t.TempDir(), "hf")
	require.NoError(t, synth.Write(context.Background(), ck, synth.Options{Config: synthetic(), Layout: layout.HuggingFace, Seed: 4}))
	require.NoError(t, checkpointtest.WriteTree(tree, ck))
	return map[string]string{"tiny": tiny, "synthetic": tree}
}

func openModel(t *testing.T, dir string, o infer.Options) *infer.Engine {
	t.Helper()
	e, err := infer.Open(dir, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e
}

// TestTextsAreAsIfComputed has random trees of conversations computed by several
// sessions over one store, with cancelled prompts, restarts, evictions and other
// processes, and compares each with a plain computation.
func TestTextsAreAsIfComputed(t *testing.T) {
	for name, dir := range models(t) {
		for _, o := range []infer.Options{{Act: "f32"}, {Act: "bf16"}, {Act: "int8"}, {Act: "int8", KV: "q8"}} {
			t.Run(name+"-"+o.Act+o.KV, func(t *testing.T) {
				o.Threads, o.Batch = 2, 100
				e := openModel(t, dir, o)
				rapid.Check(t, func(rt *rapid.T) {
					c := &conversations{T: rt, e: e, dir: t.TempDir()}
					c.reopen()
					for range rapid.IntRange(4, 12).Draw(rt, "steps") {
						c.step()
					}
					require.NoError(rt, c.store.Close(context.Background()))
				})
			})
		}
	}
}

// conversations are texts that branch.
type conversations struct {
	*rapid.T
	e     *infer.Engine
	dir   string
	store *Store
	texts []*Text
	known [][]int // texts that were asked
}

// reopen is a restart of the process: sessions and RAM are lost.
func (c *conversations) reopen() {
	if c.store != nil {
		require.NoError(c, c.store.Close(context.Background()))
	}
	dir := c.dir
	if rapid.IntRange(0, 4).Draw(c.T, "no folder") == 0 {
		dir = ""
	}
	size := c.e.Shape().Bytes(0, 1000)
	var err error
	c.store, err = Open(Options{
		Shape: c.e.Shape(), Start: start, Dir: dir,
		RAM:  rapid.SampledFrom([]int64{0, size, 1 << 40}).Draw(c.T, "ram"),
		Disk: rapid.SampledFrom([]int64{size, 1 << 40}).Draw(c.T, "disk"),
	})
	require.NoError(c, err)
	c.texts = nil
	for range 1 + rapid.IntRange(0, 2).Draw(c.T, "sessions") {
		c.texts = append(c.texts, NewText(c.store, c.e.NewSession()))
	}
}

func (c *conversations) step() {
	if rapid.IntRange(0, 5).Draw(c.T, "restart") == 0 {
		c.reopen()
	}
	prompt := c.prompt()
	text := rapid.SampledFrom(c.texts).Draw(c.T, "session")
	n := text.Begin(context.Background(), prompt, len(prompt)-1)
	require.Less(c, n, len(prompt))
	require.True(c, slices.Equal(prompt[:n], text.Session().IDs()))
	if rapid.IntRange(0, 4).Draw(c.T, "cancelled") == 0 {
		c.cancel(text, prompt[n:])
		return
	}
	// The prompt enters in chunks, as beside other requests.
	for rest := prompt[n:]; len(rest) > 0; {
		chunk := min(len(rest), rapid.IntRange(1, 150).Draw(c.T, "chunk"))
		require.NoError(c, text.Session().Append(context.Background(), rest[:chunk], nil))
		rest = rest[chunk:]
	}
	c.requireSame(text.Session())
	for range rapid.IntRange(0, 3).Draw(c.T, "answer") {
		id := best(text.Session().Logits())
		require.NoError(c, text.Session().Append(context.Background(), []int{id}, nil))
	}
	text.Keep()
	c.requireSame(text.Session())
	c.known = append(c.known, append([]int(nil), text.Session().IDs()...))
}

// prompt draws a text that begins like one that was asked before, or like none.
func (c *conversations) prompt() []int {
	var prompt []int
	if len(c.known) > 0 && rapid.IntRange(0, 5).Draw(c.T, "new") > 0 {
		old := rapid.SampledFrom(c.known).Draw(c.T, "like")
		shared := len(old)
		switch rapid.IntRange(0, 3).Draw(c.T, "branch") {
		case 0: // the same again
			return old
		case 1:
			shared = rapid.IntRange(0, len(old)).Draw(c.T, "shared")
		case 2: // around the window and blocks
			near := rapid.SampledFrom([]int{41, 63, 64, 65, 128, len(old) - 1, len(old) - 41, len(old) - 64}).Draw(c.T, "near")
			shared = min(max(near, 0), len(old))
		}
		prompt = append(prompt, old[:shared]...)
	}
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(c.T, "tokens"), 0))
	for range rapid.IntRange(1, 3).Draw(c.T, "messages") {
		prompt = append(prompt, start)
		for range rapid.SampledFrom([]int{0, 1, 5, 40, 64, 130}).Draw(c.T, "length") {
			prompt = append(prompt, 2+r.IntN(c.e.Config().Vocab-2))
		}
	}
	return prompt[:min(len(prompt), c.e.Context()-10)]
}

// cancel computes a part of a prompt.
func (c *conversations) cancel(text *Text, rest []int) {
	ctx, cancel := context.WithCancelCause(context.Background())
	gone := errors.New("client gone")
	after := rapid.IntRange(0, len(rest)).Draw(c.T, "after")
	err := text.Session().Append(ctx, rest, func(position int, _ []float32) {
		if position == after {
			cancel(gone)
		}
	})
	cancel(nil)
	if err != nil {
		require.ErrorIs(c, err, context.Canceled)
	}
}

// requireSame compares with a session that knows of nothing.
func (c *conversations) requireSame(s *infer.Session) {
	plain := c.e.NewSession()
	require.NoError(c, plain.Append(context.Background(), s.IDs(), nil))
	for i, v := range plain.Logits() {
		if math.Float32bits(v) != math.Float32bits(s.Logits()[i]) {
			c.Fatalf("logit %d after %d tokens is %v, and %v without reuse", i, s.Len(), s.Logits()[i], v)
		}
	}
}

func best(logits []float32) int {
	at := 0
	for i, v := range logits {
		if v > logits[at] {
			at = i
		}
	}
	return at
}

// TestNothingIsComputedAgain says how much of a prompt is known: all but its last
// token when it comes again, and all that it shares with another up to a message.
func TestNothingIsComputedAgain(t *testing.T) {
	dir := t.TempDir()
	e := openModel(t, models(t)["tiny"], infer.Options{Threads: 2})
	var store *Store
	reopen := func() {
		if store != nil {
			require.NoError(t, store.Close(context.Background()))
		}
		var err error
		store, err = Open(Options{Shape: e.Shape(), Start: start, Dir: dir, Disk: 1 << 40})
		require.NoError(t, err)
	}
	r := rand.New(rand.NewPCG(5, 6))
	message := func(n int) []int {
		ids := []int{start}
		for len(ids) < n {
			ids = append(ids, 2+r.IntN(2000))
		}
		return ids
	}
	ask := func(prompt []int) int {
		text := NewText(store, e.NewSession())
		n := text.Begin(context.Background(), prompt, len(prompt)-1)
		require.NoError(t, text.Session().Append(context.Background(), prompt[n:], nil))
		text.Keep()
		return n
	}
	join := func(parts ...[]int) (all []int) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	system, other := message(230), message(300)
	first, second, third := message(21), message(7), message(90)
	for _, c := range []struct {
		name   string
		prompt []int
		want   int
	}{
		{"new", join(system, first), 0},
		{"the same", join(system, first), 250},
		{"another client", join(other, first), 0},
		{"the next turn", join(system, first, second), 251},
		{"another question", join(system, third), 231},
		{"the other client again", join(other, second, third), 301},
		{"one token", []int{9}, 0},
		{"one token again", []int{9}, 0},
		{"a short text", []int{9, 8, 7, 6}, 1},
		{"and again", []int{9, 8, 7, 6}, 3},
		{"one that ends before the end of a known one", other[:299], 0},
		{"that one again", other[:299], 298},
	} {
		reopen()
		require.Equal(t, c.want, ask(c.prompt), c.name)
	}
	require.NoError(t, store.Close(context.Background()))
}

func ExampleText() {
	ctx := context.Background()
	dir := "model" // a mount, or a copy of one
	engine, err := infer.Open(dir, infer.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	key, _ := engine.Identity()
	store, _ := Open(Options{Shape: engine.Shape(), Key: key, Dir: "prefixes", Disk: 8 << 30, RAM: 1 << 30})
	text := NewText(store, engine.NewSession())
	prompt := []int{200006, 1428, 200008}
	known := text.Begin(context.Background(), prompt, len(prompt)-1)
	_ = text.Session().Append(ctx, prompt[known:], nil)
	text.Keep()
	_ = store.Close(ctx)
}
