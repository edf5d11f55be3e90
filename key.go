package expertfs

import "fmt"

// Key names an expert: its layer, and its index within the layer, both from 0.
// It is the one identity of an expert in all of the project.
type Key struct{ Layer, Expert uint16 }

// MaxIndex is the largest number of a layer, and of an expert in its layer.
const MaxIndex = 1<<16 - 1

// NewKey names an expert by plain numbers. It panics when one of them is not
// within 0 and MaxIndex, as an index does.
func NewKey(layer, expert int) Key {
	if uint(layer) > MaxIndex || uint(expert) > MaxIndex {
		panic(fmt.Sprintf("layer %d expert %d is out of range", layer, expert))
	}
	return Key{Layer: uint16(layer), Expert: uint16(expert)}
}

// String names the expert in messages. Names spells it for hints and paths.
func (k Key) String() string { return fmt.Sprintf("layer %d expert %d", k.Layer, k.Expert) }

// Shape describes the experts of a model and the memory for them.
type Shape struct {
	Layers, Experts int   // experts per layer
	TopK            int   // experts a router chooses for one token
	ExpertBytes     int64 // size of one expert, all being about equal
	Budget          int64 // bytes for resident experts
}

// Capacity is the number of experts that fit into the budget.
func (s Shape) Capacity() int {
	if s.ExpertBytes <= 0 || s.Budget <= 0 {
		return 0
	}
	return int(min(s.Budget/s.ExpertBytes, int64(s.Layers)*int64(s.Experts)))
}

// Limits of a Shape. They are far above any model; tables of policies, some of
// which hold experts x experts numbers for each layer, stay within memory by them
// when a config is absurd.
const (
	MaxLayers  = 1 << 12
	MaxExperts = 1 << 12 // in each layer
	MaxTotal   = 1 << 18 // experts in all layers
)

// Check returns an error that names Layers and Experts where they are out of their
// limits. It does not look at the other fields.
func (s Shape) Check() error {
	if s.Layers < 1 || s.Layers > MaxLayers || s.Experts < 1 || s.Experts > MaxExperts || s.Layers*s.Experts > MaxTotal {
		return fmt.Errorf("a model of %d layers of %d experts is out of range: at most %d, of %d, and %d experts in all",
			s.Layers, s.Experts, MaxLayers, MaxExperts, MaxTotal)
	}
	return nil
}

// Contains tells whether k is an expert of the model.
func (s Shape) Contains(k Key) bool {
	return int(k.Layer) < s.Layers && int(k.Expert) < s.Experts
}
