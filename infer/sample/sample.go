package sample

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
)

// Params says how to choose. The zero value is greedy decoding.
type Params struct {
	Temp float64 // divides the logits; 0 takes the most probable token
	TopK int     // keep this many tokens; 0 keeps all
	TopP float64 // keep the fewest tokens whose probabilities reach this; 0 or 1 keeps all
	MinP float64 // keep tokens at least this probable relative to the best; 0 keeps all
	Seed uint64
}

// Check returns an error that names the first parameter out of its range.
func (p Params) Check() error {
	switch {
	case !(p.Temp >= 0) || math.IsInf(p.Temp, 1):
		return fmt.Errorf("temperature %v: must be 0 or more", p.Temp)
	case p.TopK < 0:
		return fmt.Errorf("top-k %d: must be 0 (off) or more", p.TopK)
	case !(p.TopP >= 0 && p.TopP <= 1):
		return fmt.Errorf("top-p %v: must be from 0 to 1", p.TopP)
	case !(p.MinP >= 0 && p.MinP <= 1):
		return fmt.Errorf("min-p %v: must be from 0 to 1", p.MinP)
	}
	return nil
}

// ErrLogits is returned for logits from which no choice can be made: none at
// all, a NaN, a positive infinity, or only negative infinities. A model whose weights
// are all finite, and not so large that sums overflow, has none of these.
var ErrLogits = errors.New("the logits are not usable, as with weights that are not finite or too large")

// Sampler draws tokens. It is not safe for concurrent use.
type Sampler struct {
	params Params
	rng    *rand.Rand
	kept   []candidate // scratch, reused between tokens
}

// candidate is a token that may be drawn. Its weight is its probability
// relative to the most probable token's.
type candidate struct {
	id     int
	weight float64
}

// New returns a sampler for p, seeded with p.Seed.
func New(p Params) (*Sampler, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	// The second word only separates this stream from others seeded alike.
	const stream = 0x6578706572746673
	return &Sampler{params: p, rng: rand.New(rand.NewPCG(p.Seed, stream))}, nil
}

// Sample returns the index of the chosen logit and leaves logits as they are.
// It takes one random number for every token drawn at a temperature above 0.
func (s *Sampler) Sample(logits []float32) (int, error) { return s.SampleOf(logits, nil) }

// SampleOf is Sample among the tokens whose bit in allowed is set; where allowed
// is nil, among all. Token id is bit id%64 of allowed[id/64]; a missing word
// allows none. Logits of other tokens are not looked at.
func (s *Sampler) SampleOf(logits []float32, allowed []uint64) (int, error) {
	best, err := argmax(logits, allowed)
	if err != nil {
		return 0, err
	}
	if s.params.Temp == 0 {
		return best, nil
	}
	s.weigh(logits, allowed, logits[best])
	s.truncate()
	return s.draw(), nil
}

// LogNorm returns the most probable token, the lowest id on ties, and the natural
// logarithm of the sum of the exponentials of all logits: the log-probability of a token
// is its logit less that. Logits that Sample would refuse are an ErrLogits.
func LogNorm(logits []float32) (best int, norm float64, err error) {
	if best, err = argmax(logits, nil); err != nil {
		return 0, 0, err
	}
	most := float64(logits[best])
	var sum float64
	for _, l := range logits {
		sum += math.Exp(float64(l) - most)
	}
	return best, most + math.Log(sum), nil
}

// argmax returns the index of the largest allowed logit, the lowest index on ties.
func argmax(logits []float32, allowed []uint64) (int, error) {
	best, most, infinity := -1, float32(math.Inf(-1)), float32(math.Inf(1))
	for first := 0; first < len(logits); first += 64 {
		part, word := window(logits, allowed, first)
		if word == math.MaxUint64 {
			for i, l := range part {
				if !(l < infinity) {
					return 0, unusable(first+i, l)
				}
				if l > most {
					best, most = first+i, l
				}
			}
			continue
		}
		for ; word != 0; word &= word - 1 {
			i := bits.TrailingZeros64(word)
			l := part[i]
			if !(l < infinity) {
				return 0, unusable(first+i, l)
			}
			if l > most {
				best, most = first+i, l
			}
		}
	}
	if best < 0 {
		return 0, fmt.Errorf("%w: none of %d is finite and allowed", ErrLogits, len(logits))
	}
	return best, nil
}

func unusable(id int, logit float32) error {
	return fmt.Errorf("%w: that of token %d is %v", ErrLogits, id, logit)
}

// window returns the logits from first on, at most 64, and the bits of those that
// are allowed.
func window(logits []float32, allowed []uint64, first int) ([]float32, uint64) {
	part := logits[first:min(first+64, len(logits))]
	word := uint64(math.MaxUint64) >> (64 - len(part))
	switch {
	case allowed == nil:
	case first/64 < len(allowed):
		word &= allowed[first/64]
	default:
		word = 0
	}
	return part, word
}

// weigh fills s.kept with the allowed tokens that pass min-p, in order of their ids.
func (s *Sampler) weigh(logits []float32, allowed []uint64, most float32) {
	s.kept = s.kept[:0]
	for first := 0; first < len(logits); first += 64 {
		part, word := window(logits, allowed, first)
		for ; word != 0; word &= word - 1 {
			i := bits.TrailingZeros64(word)
			w := math.Exp((float64(part[i]) - float64(most)) / s.params.Temp)
			if w > 0 && w >= s.params.MinP {
				s.kept = append(s.kept, candidate{first + i, w})
			}
		}
	}
}

// truncate keeps of s.kept what top-k and then top-p demand. Both keep a
// prefix of the descending order, which a heap gives without sorting the
// whole vocabulary.
func (s *Sampler) truncate() {
	p := s.params
	useTopP := p.TopP > 0 && p.TopP < 1
	if p.TopK > 0 && p.TopK < len(s.kept) {
		s.kept = popBest(s.kept, func(n int, _ float64) bool { return n == p.TopK })
	}
	if useTopP {
		enough := p.TopP * total(s.kept)
		s.kept = popBest(s.kept, func(_ int, sum float64) bool { return sum >= enough })
	}
}

// draw picks one of s.kept with probability proportional to its weight.
func (s *Sampler) draw() int {
	rest := s.rng.Float64() * total(s.kept)
	for _, c := range s.kept {
		if rest -= c.weight; rest < 0 {
			return c.id
		}
	}
	return s.kept[len(s.kept)-1].id // rounding left a remainder
}

func total(cs []candidate) float64 {
	var sum float64
	for _, c := range cs {
		sum += c.weight
	}
	return sum
}
