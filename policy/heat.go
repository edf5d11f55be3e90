package policy

import (
	"slices"

	"expertfs"
)

// Heat is how often each expert of a model is used: what is worth keeping of
// one run for the next, whatever the policy of either. It is learned by Step.
type Heat struct {
	shape  expertfs.Shape
	rates  []float32 // by layer, then expert
	visits []uint32  // of each layer, counted up to memory
	buf    []int
}

// memory is the number of visits of a layer that Heat averages over. It is
// some answers long, so that heat is of the work and not of the last topic.
const memory = 4096

// Warmer is a Policy that can begin with the heat of an earlier run.
type Warmer interface {
	// Warm replaces what the policy has learned about the frequency of use.
	Warm(h *Heat)
}

// Prewarmer is a Policy that wants experts loaded before they are used.
type Prewarmer interface {
	// Wanted lists the experts to load into an empty RAM, as many as fit,
	// the most wanted first.
	Wanted() []expertfs.Key
}

// NewHeat makes a Heat that knows nothing: all experts are equal.
func NewHeat(s expertfs.Shape) *Heat {
	h := &Heat{shape: s, visits: make([]uint32, s.Layers)}
	h.rates = make([]float32, s.Layers*s.Experts)
	for i := range h.rates {
		h.rates[i] = uniform(s)
	}
	return h
}

// uniform is the rate of every expert if all are used alike.
func uniform(s expertfs.Shape) float32 { return float32(s.TopK) / float32(s.Experts) }

// Step learns from a step, as a Policy does. Heat is of all streams together.
func (h *Heat) Step(s Step) {
	layer := s.Layer
	if layer < 0 || layer >= h.shape.Layers {
		return
	}
	h.visits[layer] = min(h.visits[layer]+1, memory)
	weight := 1 / float32(h.visits[layer]+1)
	rates := h.rates[layer*h.shape.Experts:][:h.shape.Experts]
	for e := range rates {
		rates[e] -= weight * rates[e]
	}
	h.buf = chosen(h.shape, h.buf[:0], s)
	for _, e := range h.buf {
		rates[e] += weight
	}
}

// Rate is the share of the visits of its layer that used k, 0 for a key
// outside the model.
func (h *Heat) Rate(k expertfs.Key) float32 {
	if !h.shape.Contains(k) {
		return 0
	}
	return h.rates[int(k.Layer)*h.shape.Experts+int(k.Expert)]
}

// clone copies what was learned.
func (h *Heat) clone() *Heat {
	return &Heat{shape: h.shape, rates: slices.Clone(h.rates), visits: slices.Clone(h.visits)}
}

// Visits is how many visits of a layer the rates stem from.
func (h *Heat) Visits(layer int) int { return int(h.visits[layer]) }

// Set gives k a rate, 0 to 1, and its layer a number of visits, as when heat
// is read from a file.
func (h *Heat) Set(k expertfs.Key, rate float32, visits int) {
	if h.shape.Contains(k) {
		h.rates[int(k.Layer)*h.shape.Experts+int(k.Expert)] = min(max(rate, 0), 1)
		h.visits[k.Layer] = uint32(min(max(visits, 0), memory))
	}
}
