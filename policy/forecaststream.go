package policy

import (
	"expertfs"
	"expertfs/policy/internal/rows"
)

// forecastStream is what forecast keeps for one stream, by layer.
type forecastStream []*layerForecast

// layerForecast is what is kept for one layer of a stream.
type layerForecast struct {
	*history
	visited  bool
	last     []source  // the experts chosen at the last visit
	brief    []source  // those of the last few
	evidence evidence  // at the last visit
	next     []float32 // logits for the next visit, as far as is known now
	later    []float32 // chances
	unused   []float32 // (1-next)(1-later)
	known    []bool    // by offset: next has the evidence of that layer
}

// maxStreamExperts bounds the experts of all streams together, of some 90 bytes
// each. No published model reaches it.
const maxStreamExperts = 1 << 20

// enter returns the stream of a step that is now made.
func (f *forecast) enter(step Step) forecastStream {
	stream := streamIndex(step.Stream)
	if f.streams[stream] == nil {
		f.makeRoom()
		f.streams[stream] = f.begin()
	}
	if f.pace.step(step) {
		f.valueAll()
	}
	return f.streams[stream]
}

// makeRoom forgets the stream whose last step was longest ago where one more
// would be too many.
func (f *forecast) makeRoom() {
	count, oldest := 0, none
	for stream, s := range f.streams {
		if s == nil {
			continue
		}
		count++
		if oldest == none || f.pace.last[stream] < f.pace.last[oldest] {
			oldest = stream
		}
	}
	if oldest != none && (count+1)*f.shape.Layers*f.shape.Experts > maxStreamExperts {
		f.EndStream(oldest)
	}
}

// begin makes a stream, of which nothing is known but what all streams use.
func (f *forecast) begin() forecastStream {
	n := f.shape.Experts
	s := make(forecastStream, 0, f.shape.Layers)
	numbers := make([]float32, 3*n*f.shape.Layers) // of all layers, made at once
	take := func() (row []float32) {
		row, numbers = numbers[:n:n], numbers[n:]
		return row
	}
	for layer := range f.shape.Layers {
		l := &layerForecast{
			history: newHistory(n),
			next:    take(),
			later:   take(),
			unused:  take(),
			known:   make([]bool, len(f.offsets)),
		}
		for e := range f.shape.Experts {
			l.warm(e, f.heat.Rate(expertfs.Key{Layer: uint16(layer), Expert: uint16(e)}))
		}
		s = append(s, l)
		f.forecast(s, layer)
	}
	return s
}

// EndStream forgets a stream.
func (f *forecast) EndStream(stream int) {
	f.streams[streamIndex(stream)] = nil
	if f.pace.end(stream) {
		f.valueAll()
	}
}

// valueAll makes all scores, after a change of the active streams.
func (f *forecast) valueAll() {
	if len(f.pace.active) == 0 {
		f.unknown = f.begin()
	}
	for layer := range f.shape.Layers {
		f.value(layer)
	}
}

// Warm begins with the rates of an earlier run.
func (f *forecast) Warm(h *Heat) {
	f.heat = h.clone()
	f.streams = [MaxStreams]forecastStream{}
	f.pace = newPace(f.shape)
	f.valueAll()
}

// weigh computes what is made of next and later.
func (l *layerForecast) weigh() {
	rows.Sigmoids(l.unused, l.next)
	for e, next := range l.unused {
		l.unused[e] = (1 - next) * (1 - l.later[e])
	}
}

// gather collects the evidence of a layer that was just visited.
func (s forecastStream) gather(shape expertfs.Shape, layer int) {
	l := s[layer]
	l.brief = l.used(l.brief[:0], briefMemory)
	previous := s[before(shape, layer, 1)]
	after := s[before(shape, layer, shape.Layers-1)]
	l.evidence[0] = append(l.evidence[0][:0], l.last...)
	l.evidence[1] = l.used(l.evidence[1][:0], recentMemory)
	l.evidence[2] = append(l.evidence[2][:0], previous.brief...)
	l.evidence[3] = append(l.evidence[3][:0], after.brief...)
}

// chance is that of use at the next visit.
func (s forecastStream) chance(k expertfs.Key) float64 {
	return float64(rows.Sigmoid(s[k.Layer].next[k.Expert]))
}
