package server

import (
	"cmp"
	"slices"

	"expertfs/infer/sample"
)

// chooser chooses the tokens of one text.
type chooser struct {
	sampler             *sample.Sampler
	bias                biases
	frequency, presence float64
	counts              map[int]int // of the tokens chosen so far
	scratch             []float32   // logits as they are changed
}

// newChooser returns a chooser as p says, with a seed where p has none.
func newChooser(p *sampling, seed uint64) (*chooser, error) {
	sampler, err := sample.New(p.params(seed))
	return &chooser{
		sampler: sampler, bias: p.LogitBias,
		frequency: or(p.FrequencyPenalty, 0), presence: or(p.PresencePenalty, 0), counts: make(map[int]int),
	}, err
}

// choose returns a token of those in mask, or of all when there is none. The
// logits are left as they are.
func (c *chooser) choose(logits []float32, mask []uint64) (int, error) {
	penal := (c.frequency != 0 || c.presence != 0) && len(c.counts) > 0
	if penal || len(c.bias) > 0 {
		c.scratch = append(c.scratch[:0], logits...)
		for id, bias := range c.bias {
			c.scratch[id] += float32(bias)
		}
		if penal {
			for id, n := range c.counts {
				c.scratch[id] -= float32(c.frequency*float64(n) + c.presence)
			}
		}
		logits = c.scratch
	}
	return c.sampler.SampleOf(logits, mask)
}

// took counts a token of the text.
func (c *chooser) took(id int) { c.counts[id]++ }

// tokenProb is a token and its probability, by the model alone: before
// temperature, bias, penalties and grammar.
type tokenProb struct {
	id   int
	log  float64     // natural logarithm; 0 where the token was forced
	top  []tokenProb // the most probable ones, best first
	text string      // the token's bytes
	at   int         // where the token's bytes begin in its text
}

// logProb returns the log probability of id and the most probable tokens. Logits that
// have none are a sample.ErrLogits.
func logProb(logits []float32, id, most int) (tokenProb, error) {
	_, norm, err := sample.LogNorm(logits)
	if err != nil {
		return tokenProb{}, err
	}
	p := tokenProb{id: id, log: float64(logits[id]) - norm}
	if most == 0 {
		return p, nil
	}
	for i, l := range logits {
		v := float64(l) - norm
		if len(p.top) == most && v <= p.top[most-1].log {
			continue
		}
		at, _ := slices.BinarySearchFunc(p.top, v, func(t tokenProb, v float64) int {
			return cmp.Or(cmp.Compare(v, t.log), -1) // behind those as probable: their ids are lower
		})
		p.top = slices.Insert(p.top, at, tokenProb{id: i, log: v})
		p.top = p.top[:min(len(p.top), most)]
	}
	return p, nil
}
