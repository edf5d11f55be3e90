package infer

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"expertfs/checkpoint/checkpointtest/reference"

	"github.com/stretchr/testify/require"
)

// tolerance is how far a logit may be from the reference, which computes in
// float32 too but sums in another order.
const tolerance = 1e-3

// golden is what the reference implementation computed for one text.
type golden struct {
	model  string // checkpoint
	prompt []int
	greedy []int
	logits [][]float32 // by position of prompt and greedy, less the last token
	// experts are the chosen ones by layer and position, best first.
	experts func(layer, position int) []int
}

func (g *golden) sequence() []int {
	return append(append([]int(nil), g.prompt...), g.greedy[:len(g.greedy)-1]...)
}

// goldenCases are the cases, each by its name; forms are further ones of a64 whose
// weights are exact.
func goldenCases(t *testing.T, forms ...string) map[string]golden {
	cases := make(map[string]golden)
	for _, layout := range append([]string{"original", "hf"}, forms...) {
		dir := reference.Path(t, "a64")
		var g struct {
			Prompt []int `json:"prompt_tokens"`
			Greedy []int `json:"greedy_fp32"`
		}
		readJSON(t, filepath.Join(dir, "golden.json"), &g)
		shape, experts := readNpy(t, filepath.Join(dir, "experts_fp32.npy"))
		cases["a64-"+layout] = golden{
			model: filepath.Join(dir, layout), prompt: g.Prompt, greedy: g.Greedy,
			logits: readMatrix(t, filepath.Join(dir, "logits_fp32.npy")),
			experts: func(l, p int) []int {
				at := (l*shape[1] + p) * shape[2]
				return ints(experts[at : at+shape[2]])
			},
		}
	}
	for _, name := range []string{"genesis", "ishmael"} {
		dir := reference.Path(t, "tiny")
		var g struct{ Prompt, Greedy []int }
		readJSON(t, filepath.Join(dir, name+".json"), &g)
		shape, experts := readNpy(t, filepath.Join(dir, name+".experts.npy"))
		cases["tiny-"+name] = golden{
			model: "embed:tiny", prompt: g.Prompt, greedy: g.Greedy,
			logits: readMatrix(t, filepath.Join(dir, name+".logits.npy")),
			experts: func(l, p int) []int {
				at := (p*shape[1] + l) * shape[2]
				return ints(experts[at : at+shape[2]])
			},
		}
	}
	return cases
}

func TestGolden(t *testing.T) {
	for name, g := range goldenCases(t, "gguf/bf16.gguf", "gguf/ollama4.gguf") {
		t.Run(name, func(t *testing.T) {
			e, err := Open(makeTree(t, g.model), Options{Act: "f32"})
			require.NoError(t, err)
			defer e.Close()
			checkExperts(t, e, &g)
			s := e.NewSession()
			worst := 0.0
			require.NoError(t, s.Append(context.Background(), g.sequence(), func(p int, logits []float32) {
				require.Len(t, logits, len(g.logits[p]))
				for i, v := range logits {
					worst = max(worst, math.Abs(float64(v-g.logits[p][i])))
				}
				require.Equal(t, argmax(g.logits[p]), argmax(logits), "position %d", p)
			}))
			t.Logf("worst difference of a logit: %.2g", worst)
			require.Less(t, worst, tolerance)
		})
	}
}

func TestGoldenGreedy(t *testing.T) {
	for name, g := range goldenCases(t) {
		t.Run(name, func(t *testing.T) {
			e, err := Open(makeTree(t, g.model), Options{Act: "f32"})
			require.NoError(t, err)
			defer e.Close()
			s := e.NewSession()
			require.NoError(t, s.Append(context.Background(), g.prompt, nil))
			ids, finish, err := s.Generate(context.Background(), Generation{
				Max:    len(g.greedy),
				Sample: func(logits []float32) (int, error) { return argmax(logits), nil },
			})
			require.NoError(t, err)
			require.Equal(t, FinishLength, finish)
			require.Equal(t, g.greedy, ids)
		})
	}
}

// checkExperts makes e compare its routing with the reference's.
func checkExperts(t *testing.T, e *Engine, g *golden) {
	e.SetHooks(Hooks{OnRoute: func(_ *Session, l, p int, experts []int) {
		require.Equal(t, g.experts(l, p), experts, "layer %d, position %d", l, p)
	}})
}

func argmax(logits []float32) int {
	best := 0
	for i, v := range logits {
		if v > logits[best] {
			best = i
		}
	}
	return best
}

func readJSON(t *testing.T, path string, v any) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, v))
}

// readNpy reads an array of float32, int32 or uint8 in NumPy's format, version 1.
func readNpy(t *testing.T, path string) (shape []int, values []float64) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	size := int(binary.LittleEndian.Uint16(data[8:]))
	head, body := string(data[10:10+size]), data[10+size:]
	for _, n := range strings.Split(regexp.MustCompile(`\(([^)]*)\)`).FindStringSubmatch(head)[1], ",") {
		if n = strings.TrimSpace(n); n != "" {
			v, err := strconv.Atoi(n)
			require.NoError(t, err)
			shape = append(shape, v)
		}
	}
	dtype := regexp.MustCompile(`'descr': '([^']*)'`).FindStringSubmatch(head)[1]
	for len(body) > 0 {
		switch dtype {
		case "<f4":
			values = append(values, float64(math.Float32frombits(binary.LittleEndian.Uint32(body))))
			body = body[4:]
		case "<i4":
			values = append(values, float64(int32(binary.LittleEndian.Uint32(body))))
			body = body[4:]
		case "|u1":
			values = append(values, float64(body[0]))
			body = body[1:]
		default:
			require.Fail(t, "type of array", "%s: %s", path, dtype)
		}
	}
	return shape, values
}

func readMatrix(t *testing.T, path string) [][]float32 {
	t.Helper()
	shape, values := readNpy(t, path)
	rows := make([][]float32, shape[0])
	for r := range rows {
		for _, v := range values[r*shape[1] : (r+1)*shape[1]] {
			rows[r] = append(rows[r], float32(v))
		}
	}
	return rows
}

func ints(values []float64) []int {
	var v []int
	for _, x := range values {
		v = append(v, int(x))
	}
	return v
}
