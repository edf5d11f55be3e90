package policy

import (
	"iter"

	"expertfs"
	"expertfs/policy/internal/rows"
)

// forecast learns, while it serves, to predict uses, and evicts what is least
// likely to be used soon. Two logistic regressions answer for every expert:
//
//   - next: is it used at the next visit of its layer? From its own history
//     (see features), from the experts that its layer chose last, and then
//     from the choices of each layer visited since, which tell what the
//     current token is like. Each of these adds a summand to the logit; the
//     summands are learned in the order in which they become known, each to
//     correct the sum of those before it, so that the logit means the same at
//     all times.
//   - later: how soon is it used? The chance is of gamma^T, T being the visits
//     before the next use; it is learned by temporal differences (Sutton,
//     1988): at a visit that uses the expert the answer was 1, else gamma
//     times the answer that is given then.
//
// A stream uses an expert soon if either says so, that is with the chance
// 1-(1-next)(1-later). The value of an expert is the chance that any active
// stream does. What the chances are made from is kept for each stream, because
// it depends on the order of the stream's steps; what is learned is shared.
//
// The idea to learn the distance to the next use and evict by it is that of
// learned relaxed Belady (Song, Berger, Li, Lloyd, NSDI 2020), with a model
// small enough to be trained at every step.
type forecast struct {
	ranking
	horizon float64 // tokens
	gamma   float32 // 1 - 1/horizon
	heat    *Heat   // from which a new stream begins
	next    *dense
	later   *dense
	offsets []int // of the layers whose choices are evidence, largest first
	layers  []*layerWeights
	judged  []float32 // by layer: forecasts of next, counted up to minJudged

	pace    pace
	streams [MaxStreams]forecastStream
	unknown forecastStream // counts where no stream is active

	// Scratch, to spare allocations.
	used           []int
	oldFeatures    []features
	oldEvidence    evidence
	z, grads, goal []float32
	values         []float32
}

// layerWeights is what is learned about one layer beside next and later.
type layerWeights struct {
	// What pairs of experts tell. Empty where the tables would be too large.
	lastNext   []*pairs // one table: what the experts of last say about next
	tokenNext  []*pairs // by offset: what those of other layers do
	laterPairs []*pairs // by kind of evidence
}

// evidence is what later learns from beside the features of an expert: the
// experts that its layer chose last, those it chose recently, and those that
// the layers before and after it have just chosen.
type evidence [4][]source

// maxPairs bounds the pairs of experts that forecast has weights for, of eight
// bytes each. GPT-OSS 20b has 0.7 million, 120b is cut off at this.
const maxPairs = 1 << 23

// maxOffsets bounds the layers whose choices are evidence for one layer, and so
// the work of a step.
const maxOffsets = 40

func newForecast(s expertfs.Shape, p *params) *forecast {
	horizon := p.float("horizon", 6, 1, 1000)
	f := &forecast{
		ranking:     newRanking(s),
		horizon:     horizon,
		gamma:       float32(1 - 1/horizon),
		heat:        NewHeat(s),
		next:        newDense(s, 0.003),
		later:       newDense(s, 0.01),
		judged:      make([]float32, s.Layers),
		oldFeatures: make([]features, s.Experts),
		z:           make([]float32, s.Experts),
		grads:       make([]float32, s.Experts),
		goal:        make([]float32, s.Experts),
		values:      make([]float32, s.Experts),
	}
	tables := maxPairs / (s.Layers * s.Experts * s.Experts) // a layer
	own := 1 + len(evidence{})
	if tables < own {
		own, tables = 0, 0
	}
	f.offsets = spread(s.Layers-1, min(tables-own, maxOffsets))
	for range s.Layers {
		w := &layerWeights{tokenNext: newTables(len(f.offsets), s.Experts, 0.1)}
		if own > 0 {
			w.lastNext = newTables(1, s.Experts, 0.2)
			w.laterPairs = newTables(len(evidence{}), s.Experts, 0.2)
		}
		f.layers = append(f.layers, w)
	}
	f.Warm(f.heat)
	return f
}

// spread chooses up to n of the offsets 1 to last, evenly, the largest first.
func spread(last, n int) []int {
	n = min(n, last)
	offsets := make([]int, n)
	for i := range offsets {
		offsets[n-1-i] = 1 + i*last/n
	}
	return offsets
}

func (f *forecast) Step(step Step) {
	layer := step.Layer
	if layer < 0 || layer >= f.shape.Layers {
		return
	}
	s := f.enter(step)
	l := s[layer]
	f.used = chosen(f.shape, f.used[:0], step)
	// A batch is neither what was forecast nor evidence for the token after it.
	single := !batch(f.shape, len(f.used))
	if l.visited && single {
		f.learnNext(s, layer)
	}
	// Keep what the forecasts that are now to be judged were made from.
	copy(f.oldFeatures, l.now)
	for i, from := range l.evidence {
		f.oldEvidence[i] = append(f.oldEvidence[i][:0], from...)
	}
	l.visit(f.used)
	l.last = l.last[:0]
	if single {
		for rank, e := range f.used {
			l.last = append(l.last, source{e, 0.7 + 0.3*rankWeight(rank, len(f.used))})
		}
	}
	s.gather(f.shape, layer)
	if l.visited && single {
		f.learnLater(s, layer)
	}
	l.visited = true
	f.forecast(s, layer)
	f.value(layer)
	f.spreadEvidence(s, layer)
	f.heat.Step(step)
}

// answer sets f.grads to the gradients of the logits f.z, given the experts
// that were used.
func (f *forecast) answer() {
	rows.Sigmoids(f.grads, f.z)
	for _, e := range f.used {
		f.grads[e]--
	}
}

// learnNext judges the forecast of a visit that happens now.
func (f *forecast) learnNext(s forecastStream, layer int) {
	l, w := s[layer], f.layers[layer]
	f.judged[layer] = min(f.judged[layer]+1, minJudged)
	f.next.logits(f.z, layer, l.now)
	for _, t := range w.lastNext {
		t.add(f.z, l.last)
	}
	f.answer()
	f.next.learn(f.grads, layer, l.now)
	for _, t := range w.lastNext {
		t.learn(f.grads, l.last)
	}
	for i, offset := range f.offsets {
		if !l.known[i] {
			continue
		}
		from := s[before(f.shape, layer, offset)].last
		w.tokenNext[i].add(f.z, from)
		f.answer()
		w.tokenNext[i].learn(f.grads, from)
	}
}

// before is the layer that is visited some layers before another.
func before(s expertfs.Shape, layer, offset int) int {
	return (layer - offset + s.Layers) % s.Layers
}

// laterLogits sets z to the logits of later.
func (f *forecast) laterLogits(z []float32, layer int, fs []features, from *evidence) {
	f.later.logits(z, layer, fs)
	for i, t := range f.layers[layer].laterPairs {
		t.add(z, from[i])
	}
}

// learnLater judges the forecast made at the visit before the one that was
// just taken into the history.
func (f *forecast) learnLater(s forecastStream, layer int) {
	l := s[layer]
	f.laterLogits(f.goal, layer, l.now, &l.evidence)
	rows.Sigmoids(f.goal, f.goal)
	for e := range f.goal {
		f.goal[e] *= f.gamma
	}
	for _, e := range f.used {
		f.goal[e] = 1
	}
	f.laterLogits(f.z, layer, f.oldFeatures, &f.oldEvidence)
	rows.Sigmoids(f.grads, f.z)
	for e, goal := range f.goal {
		f.grads[e] -= goal
	}
	f.later.learn(f.grads, layer, f.oldFeatures)
	for i, t := range f.layers[layer].laterPairs {
		t.learn(f.grads, f.oldEvidence[i])
	}
}

// forecast makes a stream's forecasts of a layer that it has just visited.
func (f *forecast) forecast(s forecastStream, layer int) {
	l := s[layer]
	f.next.logits(l.next, layer, l.now)
	for _, t := range f.layers[layer].lastNext {
		t.add(l.next, l.last)
	}
	clear(l.known)
	f.laterLogits(l.later, layer, l.now, &l.evidence)
	rows.Sigmoids(l.later, l.later)
	l.weigh()
}

// spreadEvidence tells the stream's other layers of a visit, once between two
// visits of theirs: a reader that goes round in a few layers is no more
// evidence.
func (f *forecast) spreadEvidence(s forecastStream, layer int) {
	from := s[layer].last
	if len(from) == 0 {
		return
	}
	for i, offset := range f.offsets {
		to := (layer + offset) % f.shape.Layers
		l := s[to]
		if l.known[i] {
			continue
		}
		l.known[i] = true
		f.layers[to].tokenNext[i].add(l.next, from)
		l.weigh()
		f.value(to)
	}
}

// value makes the scores of a layer.
func (f *forecast) value(layer int) {
	scores := f.values
	if len(f.pace.active) == 0 {
		copy(scores, f.unknown[layer].unused)
	}
	for i, stream := range f.pace.active {
		unused := f.streams[stream][layer].unused
		if i == 0 {
			copy(scores, unused)
			continue
		}
		for e, u := range unused {
			scores[e] *= u
		}
	}
	for e := range scores {
		scores[e] = 1 - scores[e]
	}
	f.setLayer(layer, scores)
	f.first(layer) // found now, so that choosing a victim is quick
}

func (f *forecast) Victims() iter.Seq[expertfs.Key] { return f.victims(level) }
func (f *forecast) Resize(int64)                    {}

// Value is the chance that any active stream uses k at its next visit.
func (f *forecast) Value(k expertfs.Key) float64 {
	if !f.shape.Contains(k) {
		return 0
	}
	if len(f.pace.active) == 0 {
		return f.unknown.chance(k)
	}
	unused := 1.0
	for _, stream := range f.pace.active {
		unused *= 1 - f.streams[stream].chance(k)
	}
	return 1 - unused
}

// Forecast is the chance of use at the stream's next visit, or 0 as long as
// little is learned of k's layer, or the stream has not been there.
func (f *forecast) Forecast(stream int, k expertfs.Key) float64 {
	if !f.shape.Contains(k) || f.judged[k.Layer] < minJudged {
		return 0
	}
	s := f.streams[streamIndex(stream)]
	if s == nil || !s[k.Layer].visited {
		return 0
	}
	return s.chance(k)
}

// minJudged is how many forecasts of a layer must have been judged before one is
// worth reading for. The first ones only repeat what was used last.
const minJudged = 16
