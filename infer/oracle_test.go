package infer

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"sort"
	"testing"

	"expertfs/checkpoint/config"

	"github.com/stretchr/testify/require"
)

// oracle computes the model plainly in float64, from the checkpoint itself. It
// keeps no cache, knows no batches, and shares no code with the engine.
type oracle struct {
	c    *config.Config
	data []byte
	at   map[string][2]int64 // byte range of each tensor
}

// newOracle reads a checkpoint of one file in OpenAI's layout.
func newOracle(t *testing.T, dir string, c *config.Config) *oracle {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "model.safetensors"))
	require.NoError(t, err)
	size := int64(binary.LittleEndian.Uint64(data))
	var header map[string]struct {
		Offsets [2]int64 `json:"data_offsets"`
	}
	require.NoError(t, json.Unmarshal(data[8:8+size], &header))
	o := &oracle{c: c, data: data[8+size:], at: make(map[string][2]int64)}
	for name, x := range header {
		o.at[name] = x.Offsets
	}
	return o
}

func (o *oracle) bytes(name string) []byte { return o.data[o.at[name][0]:o.at[name][1]] }

// tensor returns a bfloat16 tensor.
func (o *oracle) tensor(name string) []float64 {
	b := o.bytes(name)
	v := make([]float64, len(b)/2)
	for i := range v {
		v[i] = float64(math.Float32frombits(uint32(b[2*i])<<16 | uint32(b[2*i+1])<<24))
	}
	return v
}

// expert returns a matrix of one expert.
func (o *oracle) expert(name string, x, rows, cols int) []float64 {
	lut := []float64{0, 0.5, 1, 1.5, 2, 3, 4, 6}
	blocks := o.bytes(name + ".blocks")[x*rows*cols/2:]
	scales := o.bytes(name + ".scales")[x*rows*cols/32:]
	v := make([]float64, rows*cols)
	for i := range v {
		code := blocks[i/2] >> (i % 2 * 4) & 15
		v[i] = lut[code&7] * math.Pow(2, float64(scales[i/32])-127)
		if code > 7 {
			v[i] = -v[i]
		}
	}
	return v
}

func affine(m, x, bias []float64) []float64 {
	y := make([]float64, len(m)/len(x))
	for r := range y {
		for j, v := range x {
			y[r] += m[r*len(x)+j] * v
		}
		if bias != nil {
			y[r] += bias[r]
		}
	}
	return y
}

func (o *oracle) norm(x, scale []float64) []float64 {
	mean := 0.0
	for _, v := range x {
		mean += v * v / float64(len(x))
	}
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = v / math.Sqrt(mean+o.c.RMSEps) * scale[i]
	}
	return y
}

func (o *oracle) rotate(x []float64, position int) {
	r, d := o.c.Rope, len(x)
	half := float64(d / 2)
	low := half * math.Log(float64(r.InitialContext)/(r.Beta*2*math.Pi)) / math.Log(r.Theta)
	high := half * math.Log(float64(r.InitialContext)/(r.Alpha*2*math.Pi)) / math.Log(r.Theta)
	concentration := 1.0
	if r.Factor > 1 {
		concentration = 0.1*math.Log(r.Factor) + 1
	}
	for j := range d / 2 {
		freq := math.Pow(r.Theta, 2*float64(j)/float64(d))
		inverse := 1 / freq
		if r.Factor > 1 {
			mask := 1 - math.Max(0, math.Min(1, (float64(j)-low)/(high-low)))
			inverse = 1/(r.Factor*freq)*(1-mask) + 1/freq*mask
		}
		cos := math.Cos(float64(position)*inverse) * concentration
		sin := math.Sin(float64(position)*inverse) * concentration
		a, b := x[j], x[j+d/2]
		x[j], x[j+d/2] = a*cos-b*sin, b*cos+a*sin
	}
}

// run returns the logits of every position, and the experts by layer and
// position, best first.
func (o *oracle) run(ids []int) (logits [][]float64, experts [][][]int) {
	embedding := o.tensor("embedding.weight")
	x := make([][]float64, len(ids))
	for p, id := range ids {
		x[p] = append([]float64(nil), embedding[id*o.c.Hidden:(id+1)*o.c.Hidden]...)
	}
	for l := range o.c.Layers {
		o.attention(x, l)
		experts = append(experts, o.mixture(x, l))
	}
	scale, unembedding := o.tensor("norm.scale"), o.tensor("unembedding.weight")
	for p := range x {
		logits = append(logits, affine(unembedding, o.norm(x[p], scale), nil))
	}
	return logits, experts
}

func block(l int, name string) string {
	return "block." + string(rune('0'+l)) + "." + name // tests have fewer than 10 layers
}

func (o *oracle) attention(x [][]float64, l int) {
	d, heads, shared := o.c.HeadDim, o.c.Heads, o.c.KVHeads
	weight, bias := o.tensor(block(l, "attn.qkv.weight")), o.tensor(block(l, "attn.qkv.bias"))
	scale, sinks := o.tensor(block(l, "attn.norm.scale")), o.tensor(block(l, "attn.sinks"))
	out, outBias := o.tensor(block(l, "attn.out.weight")), o.tensor(block(l, "attn.out.bias"))
	var q, k, v [][]float64
	for p := range x {
		qkv := affine(weight, o.norm(x[p], scale), bias)
		for h := range heads + shared {
			o.rotate(qkv[h*d:(h+1)*d], p)
		}
		q = append(q, qkv[:heads*d])
		k = append(k, qkv[heads*d:(heads+shared)*d])
		v = append(v, qkv[(heads+shared)*d:])
	}
	for p := range x {
		mixed := make([]float64, heads*d)
		for h := range heads {
			g := h / (heads / shared) * d
			weights := []float64{math.Exp(sinks[h])}
			sum := weights[0]
			for j := range p + 1 {
				w := 0.0
				if !o.c.Sliding[l] || p-j < o.c.Window {
					dot := 0.0
					for i := range d {
						dot += q[p][h*d+i] * k[j][g+i]
					}
					w = math.Exp(dot / math.Sqrt(float64(d)))
				}
				weights = append(weights, w)
				sum += w
			}
			for j := range p + 1 {
				for i := range d {
					mixed[h*d+i] += weights[j+1] / sum * v[j][g+i]
				}
			}
		}
		for i, y := range affine(out, mixed, outBias) {
			x[p][i] += y
		}
	}
}

func (o *oracle) mixture(x [][]float64, l int) (chosen [][]int) {
	hidden, inner := o.c.Hidden, o.c.Intermediate
	gate, gateBias := o.tensor(block(l, "mlp.gate.weight")), o.tensor(block(l, "mlp.gate.bias"))
	bias1, bias2 := o.tensor(block(l, "mlp.mlp1_bias")), o.tensor(block(l, "mlp.mlp2_bias"))
	scale := o.tensor(block(l, "mlp.norm.scale"))
	matrix1, matrix2 := make(map[int][]float64), make(map[int][]float64)
	for p := range x {
		t := o.norm(x[p], scale)
		g := affine(gate, t, gateBias)
		order := make([]int, len(g))
		for i := range order {
			order[i] = i
		}
		sort.SliceStable(order, func(a, b int) bool { return g[order[a]] > g[order[b]] })
		order = order[:o.c.TopK]
		chosen = append(chosen, order)
		sum := 0.0
		for _, e := range order {
			sum += math.Exp(g[e])
		}
		for _, e := range order {
			if matrix1[e] == nil {
				matrix1[e] = o.expert(block(l, "mlp.mlp1_weight"), e, 2*inner, hidden)
				matrix2[e] = o.expert(block(l, "mlp.mlp2_weight"), e, hidden, inner)
			}
			a := affine(matrix1[e], t, bias1[e*2*inner:(e+1)*2*inner])
			h := make([]float64, inner)
			for i := range h {
				glu := math.Min(a[2*i], o.c.SwigluLimit)
				linear := math.Max(-o.c.SwigluLimit, math.Min(a[2*i+1], o.c.SwigluLimit))
				h[i] = glu / (1 + math.Exp(-o.c.SwigluAlpha*glu)) * (linear + 1)
			}
			for i, y := range affine(matrix2[e], h, bias2[e*hidden:(e+1)*hidden]) {
				x[p][i] += math.Exp(g[e]) / sum * y
			}
		}
	}
	return chosen
}
