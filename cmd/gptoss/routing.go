package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"expertfs"
)

// routing is recorded routing: which experts each token used, layer by layer.
type routing struct {
	layers, topK int
	experts      [][]int // [token*layers + layer][topK]
}

// readRouting reads traces and joins them, and the streams of a trace one after
// the other. Every token has to have all layers of the model in order; what is
// left of one at the end, where its reader or the recording was cut off, does not
// count. The first topK experts of a step do, and all must be below experts.
func readRouting(paths []string, layers, experts, topK int) (*routing, error) {
	r := &routing{layers: layers, topK: topK}
	for _, path := range paths {
		if err := r.readFile(path, experts); err != nil {
			return nil, fmt.Errorf("--routing: %w", err)
		}
	}
	if len(r.experts) == 0 {
		return nil, fmt.Errorf("--routing: %s: no token with all layers of the model", strings.Join(paths, ", "))
	}
	return r, nil
}

func (r *routing) readFile(path string, experts int) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	trace, err := expertfs.NewTraceReader(f, path)
	if err != nil {
		return err
	}
	streams := map[int]*routing{}
	end := func(stream int) {
		if s := streams[stream]; s != nil {
			r.experts = append(r.experts, s.experts[:s.tokens()*s.layers]...)
			delete(streams, stream)
		}
	}
	for {
		s, err := trace.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if s.End {
			end(s.Stream)
			continue
		}
		if streams[s.Stream] == nil {
			streams[s.Stream] = &routing{layers: r.layers, topK: r.topK}
		}
		if err := streams[s.Stream].add(s, experts); err != nil {
			return fmt.Errorf("%s: %w", trace.Where(), err)
		}
	}
	for _, stream := range slices.Sorted(maps.Keys(streams)) {
		end(stream)
	}
	return nil
}

// add takes one step. Layers beyond the model's are left out, so that a model
// with fewer layers can be driven by the same recording.
func (r *routing) add(s expertfs.TraceStep, experts int) error {
	if s.Layer >= r.layers {
		return nil
	}
	if want := len(r.experts) % r.layers; s.Layer != want {
		return fmt.Errorf("layer %d where layer %d is expected", s.Layer, want)
	}
	if len(s.Used) < r.topK {
		return fmt.Errorf("%d experts, the model uses %d", len(s.Used), r.topK)
	}
	var chosen []int
	for _, k := range s.Used[:r.topK] {
		x := int(k.Expert)
		if x >= experts {
			return fmt.Errorf("expert %d, the model has %d", x, experts)
		}
		if slices.Contains(chosen, x) {
			return fmt.Errorf("expert %d twice", x)
		}
		chosen = append(chosen, x)
	}
	r.experts = append(r.experts, chosen)
	return nil
}

// tokens is the number of tokens recorded.
func (r *routing) tokens() int { return len(r.experts) / r.layers }

// replay copies the experts that the n-th token used in layer; a long run
// starts over at the end of the recording.
func (r *routing) replay(n, layer int, experts []int) {
	copy(experts, r.experts[n%r.tokens()*r.layers+layer])
}
