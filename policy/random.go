package policy

import (
	"iter"
	"math/rand/v2"

	"expertfs"
)

// random evicts any resident with equal chance. It is the yardstick: what
// does worse is misled by what it remembers.
type random struct {
	rng   *rand.Rand
	keys  []expertfs.Key
	where map[expertfs.Key]int // index in keys
}

func newRandom(seed uint64) *random {
	return &random{rng: rand.New(rand.NewPCG(seed, 0)), where: map[expertfs.Key]int{}}
}

func (p *random) Insert(k expertfs.Key, _ int64) {
	if _, ok := p.where[k]; !ok {
		p.where[k] = len(p.keys)
		p.keys = append(p.keys, k)
	}
}

func (p *random) Remove(k expertfs.Key) {
	i, ok := p.where[k]
	if !ok {
		return
	}
	last := len(p.keys) - 1
	p.swap(i, last)
	p.keys = p.keys[:last]
	delete(p.where, k)
}

func (p *random) swap(i, j int) {
	p.keys[i], p.keys[j] = p.keys[j], p.keys[i]
	p.where[p.keys[i]], p.where[p.keys[j]] = i, j
}

// Victims shuffles the residents as far as they are asked for (Fisher, Yates).
func (p *random) Victims() iter.Seq[expertfs.Key] {
	return func(yield func(expertfs.Key) bool) {
		for i := range p.keys {
			p.swap(i, i+p.rng.IntN(len(p.keys)-i))
			if !yield(p.keys[i]) {
				return
			}
		}
	}
}

func (p *random) Touch(expertfs.Key) {}
func (p *random) Step(Step)          {}
func (p *random) Resize(int64)       {}
