package policy

import (
	"iter"
	"math"

	"expertfs"
)

// ranking orders residents by scores that are kept for every expert of the
// model, resident or not. Its operations cost the same however many experts
// are resident: a change touches one expert, the best victim of a layer is
// found by one pass over the layer's experts when it is asked for, and the
// layers are merged by comparing their best.
//
// Where experts differ in size, their scores are divided by the size, so that
// scores must not be negative.
//
// Keys outside the model are residents without a score. They go first, in
// order of use.
//
// Policies embed it for Insert, Touch and Remove, the bookkeeping of residents.
type ranking struct {
	shape  expertfs.Shape
	scores []float32 // experts of layer 0, then of layer 1, ...
	weight []float32 // ExpertBytes / bytes of a resident; 0 where not resident
	best   []int32   // for each layer: its best victim, none, or unknown
	alien  lru
}

const (
	none    = -1 // no expert of the layer is resident
	unknown = -2
)

func newRanking(s expertfs.Shape) ranking {
	r := ranking{
		shape:  s,
		scores: make([]float32, s.Layers*s.Experts),
		weight: make([]float32, s.Layers*s.Experts),
		best:   make([]int32, s.Layers),
		alien:  *newLRU(),
	}
	for l := range r.best {
		r.best[l] = none
	}
	return r
}

func (r *ranking) index(k expertfs.Key) int { return int(k.Layer)*r.shape.Experts + int(k.Expert) }

// Insert makes k a resident of a size; part of Policy.
func (r *ranking) Insert(k expertfs.Key, bytes int64) {
	if !r.shape.Contains(k) {
		r.alien.Insert(k, bytes)
		return
	}
	r.weight[r.index(k)] = weight(r.shape, bytes)
	r.best[k.Layer] = unknown
}

// Touch is part of Policy. It matters only to experts without a score.
func (r *ranking) Touch(k expertfs.Key) { r.alien.Touch(k) }

// Remove is part of Policy.
func (r *ranking) Remove(k expertfs.Key) {
	if !r.shape.Contains(k) {
		r.alien.Remove(k)
		return
	}
	r.weight[r.index(k)] = 0
	r.best[k.Layer] = unknown
}

// weight is what a score is multiplied by to get one per byte.
func weight(s expertfs.Shape, bytes int64) float32 {
	if bytes <= 0 || s.ExpertBytes <= 0 {
		return 1
	}
	return float32(float64(s.ExpertBytes) / float64(bytes))
}

// set changes the score of one expert.
func (r *ranking) set(layer, expert int, score float32) {
	r.scores[layer*r.shape.Experts+expert] = score
	r.best[layer] = unknown
}

// setLayer changes the scores of a layer.
func (r *ranking) setLayer(layer int, scores []float32) {
	copy(r.scores[layer*r.shape.Experts:][:r.shape.Experts], scores)
	r.best[layer] = unknown
}

// after finds the resident of a layer that follows a score and an expert in
// the order of victims.
func (r *ranking) after(layer int, score float32, expert int) int {
	found, lowest := none, float32(math.Inf(1))
	base := layer * r.shape.Experts
	weights := r.weight[base:][:r.shape.Experts]
	for e, s := range r.scores[base:][:r.shape.Experts] {
		if weights[e] == 0 {
			continue
		}
		s *= weights[e]
		if s < score || s == score && e <= expert {
			continue
		}
		if found == none || s < lowest {
			found, lowest = e, s
		}
	}
	return found
}

// first is the best victim of a layer.
func (r *ranking) first(layer int) int {
	if r.best[layer] == unknown {
		r.best[layer] = int32(r.after(layer, float32(math.Inf(-1)), none))
	}
	return int(r.best[layer])
}

// victims yields the residents by score x scale of the layer, lowest first.
// Mostly the first is taken, so the merge of the layers is set up only for
// those who want a second.
func (r *ranking) victims(scale func(layer int) float32) iter.Seq[expertfs.Key] {
	return func(yield func(expertfs.Key) bool) {
		for k := range r.alien.Victims() {
			if !yield(k) {
				return
			}
		}
		layer, lowest := none, float32(0)
		for l := range r.best {
			if e := r.first(l); e != none {
				if s := r.perByte(l, e) * scale(l); layer == none || s < lowest {
					layer, lowest = l, s
				}
			}
		}
		if layer == none || !yield(expertfs.Key{Layer: uint16(layer), Expert: uint16(r.best[layer])}) {
			return
		}
		heads := make([]int, r.shape.Layers) // the next expert of each layer
		for l := range heads {
			heads[l] = r.first(l)
		}
		for {
			heads[layer] = r.after(layer, r.perByte(layer, heads[layer]), heads[layer])
			layer = none
			for l, e := range heads {
				if e == none {
					continue
				}
				if s := r.perByte(l, e) * scale(l); layer == none || s < lowest {
					layer, lowest = l, s
				}
			}
			if layer == none || !yield(expertfs.Key{Layer: uint16(layer), Expert: uint16(heads[layer])}) {
				return
			}
		}
	}
}

// perByte is the score of a resident, per byte.
func (r *ranking) perByte(layer, expert int) float32 {
	i := layer*r.shape.Experts + expert
	return r.scores[i] * r.weight[i]
}

// level is the scale of a ranking whose scores are compared as they are.
func level(int) float32 { return 1 }

// chosen appends the experts of a step to dst, each once, without those that
// are not of its layer.
func chosen(s expertfs.Shape, dst []int, step Step) []int {
	for i, k := range step.Used {
		if int(k.Layer) != step.Layer || !s.Contains(k) {
			continue
		}
		seen := false
		for _, earlier := range step.Used[:i] {
			seen = seen || earlier == k
		}
		if !seen {
			dst = append(dst, int(k.Expert))
		}
	}
	return dst
}

// distance is the number of layers from one to the next visit of another, 1
// for the layer that follows and Layers for the same again.
func distance(s expertfs.Shape, from, to int) int {
	return (to-from+s.Layers-1)%s.Layers + 1
}
