package config

import "math"

// Config holds the dimensions and constants of a model. Parse validates it:
// every count is positive and small enough that products of dimensions fit an
// int64, and layers and experts are within the limits of the contract.
type Config struct {
	Layers       int
	Experts      int // in each layer
	TopK         int // experts that a token uses in each layer
	Hidden       int // width of the residual stream; a multiple of 32
	Intermediate int // width inside an expert; a multiple of 32
	Vocab        int
	HeadDim      int
	Heads        int // query heads, a multiple of KVHeads
	KVHeads      int
	Window       int    // positions that a sliding layer sees, its own included
	Sliding      []bool // for each layer: sliding window, or else full attention

	RMSEps      float64
	SwigluLimit float64
	SwigluAlpha float64
	Rope        Rope

	EOS []int // token ids that end a text; nil when the file names none
}

// Rope holds the constants of the rotary position embedding with YaRN.
type Rope struct {
	Theta          float64
	Factor         float64 // of the context's extension; 1 is plain rotary embedding
	Alpha          float64 // rotations at which extrapolation gives way (beta_slow)
	Beta           float64 // rotations at which interpolation begins (beta_fast)
	InitialContext int     // positions before the extension
	Truncate       bool    // the bounds between the two are whole numbers; the published models do not round them
}

// Bounds returns between which frequencies, counted from the fastest, YaRN's mix
// passes from extrapolation to interpolation; headDim is the width of a head, in
// which there are half as many frequencies. OpenAI's code takes the bounds as
// they are and refuses those beyond a head; Hugging Face's rounds them outwards
// where truncate says so, and clamps them, which is done here.
func (r *Rope) Bounds(headDim int) (low, high float64) {
	at := func(rotations float64) float64 {
		return float64(headDim/2) * ln(float64(r.InitialContext)/(rotations*2*math.Pi)) / ln(r.Theta)
	}
	low, high = at(r.Beta), at(r.Alpha)
	if r.Truncate {
		low, high = math.Floor(low), math.Ceil(high)
	}
	low, high = max(low, 0), min(high, float64(headDim-1))
	if low == high {
		high += 0.001 // Hugging Face's; the mix divides by the difference
	}
	return low, high
}

// Concentration is YaRN's factor of both sine and cosine.
func (r *Rope) Concentration() float64 {
	if r.Factor <= 1 {
		return 1
	}
	return float64(0.1*ln(r.Factor)) + 1
}

// ln is the logarithm of a positive number, with the same bits on every machine:
// that of package math is assembly on some, and fuses products and sums on others,
// which the conversions forbid.
func ln(x float64) float64 {
	f, e := math.Frexp(x)
	if f < math.Sqrt2/2 {
		f, e = 2*f, e-1
	}
	// ln f is twice the series t + t^3/3 + t^5/5 + ...
	t := (f - 1) / (f + 1)
	square, sum := float64(t*t), 0.0
	for k := 25.0; k > 0; k -= 2 {
		sum = float64(sum*square) + 1/k
	}
	return float64(float64(e)*math.Ln2) + float64(2*float64(t*sum))
}

// Values of constants that a config may leave out.
const (
	defaultRMSEps      = 1e-5
	defaultSwigluLimit = 7
	defaultSwigluAlpha = 1.702
)

// QKVRows is the number of rows of the fused query, key and value projection.
func (c *Config) QKVRows() int { return c.HeadDim * (c.Heads + 2*c.KVHeads) }

// alternate returns the layer pattern of the published models: even layers slide.
func alternate(layers int) []bool {
	sliding := make([]bool, layers)
	for i := range sliding {
		sliding[i] = i%2 == 0
	}
	return sliding
}
