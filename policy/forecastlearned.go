package policy

import "fmt"

// learnedVersion counts up whenever numbers learned before mean something else.
const learnedVersion = 1

// kind is that of what is learned.
func (f *forecast) kind() string {
	return fmt.Sprintf("forecast %d: horizon=%v, %d layers of %d experts, top-%d",
		learnedVersion, f.horizon, f.shape.Layers, f.shape.Experts, f.shape.TopK)
}

// parts are the numbers that are learned.
func (f *forecast) parts() []*[]float32 {
	parts := []*[]float32{&f.judged}
	add := func(w *weights) { parts = append(parts, &w.w, &w.seen) }
	for _, d := range []*dense{f.next, f.later} {
		add(&d.shared)
		for l := range d.layers {
			add(&d.layers[l])
			parts = append(parts, &d.bias[l])
		}
	}
	for _, l := range f.layers {
		for _, tables := range [][]*pairs{l.lastNext, l.tokenNext, l.laterPairs} {
			for _, t := range tables {
				add(&t.weights)
			}
		}
	}
	return parts
}

// Learned lends the weights; part of Learner.
func (f *forecast) Learned() Learned {
	l := Learned{Kind: f.kind()}
	for _, p := range f.parts() {
		l.Parts = append(l.Parts, *p)
	}
	return l
}

// Adopt takes weights; part of Learner.
func (f *forecast) Adopt(l Learned) bool { return l.Kind == f.kind() && adopt(f.parts(), l.Parts) }
