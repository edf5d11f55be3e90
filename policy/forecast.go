package policy

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
// The value of an expert is 1-(1-next)(1-later): worth keeping if either says
// so. The idea to learn the distance to the next use and evict by it is that
// of learned relaxed Belady (Song, Berger, Li, Lloyd, NSDI 2020), with a model
// small enough to be trained at every step.
type forecast struct {
	ranking
	gamma   float32
	layers  []*layerForecast
	next    *dense
	later   *dense
	offsets []int // of the layers whose choices are evidence, largest first

	// Scratch, to spare allocations.
	used           []int
	oldFeatures    []features
	oldEvidence    evidence
	z, grads, goal []float32
}

// evidence is what later learns from beside the features of an expert: the
// experts that its layer chose last, those it chose recently, and those that
// the layers before and after it have just chosen.
type evidence [4][]source

// layerForecast is what is kept for one layer.
type layerForecast struct {
	*history
	visited  bool
	judged   int       // forecasts of next
	last     []source  // the experts chosen at the last visit
	brief    []source  // those of the last few
	evidence evidence  // at the last visit
	next     []float32 // logits for the next visit, as far as is known now
	later    []float32 // chances
	told     []bool    // by offset: next has the evidence of that layer

	// What pairs of experts tell. Empty where the tables would be too large.
	lastNext   []*pairs // one table: what the experts of last say about next
	tokenNext  []*pairs // by offset: what those of other layers do
	laterPairs []*pairs // by kind of evidence
}

// maxPairs bounds the pairs of experts that forecast has weights for, of eight
// bytes each. GPT-OSS 20b has 0.7 million, 120b is cut off at this.
const maxPairs = 1 << 23

// maxOffsets bounds the layers whose choices are evidence for one layer, and so
// the work of a step.
const maxOffsets = 40

func newForecast(s Shape, p *params) *forecast {
	horizon := p.float("horizon", 6, 1, 1000) // tokens
	f := &forecast{
		ranking:     newRanking(s),
		gamma:       float32(1 - 1/horizon),
		next:        newDense(s, 0.003),
		later:       newDense(s, 0.01),
		oldFeatures: make([]features, s.Experts),
		z:           make([]float32, s.Experts),
		grads:       make([]float32, s.Experts),
		goal:        make([]float32, s.Experts),
	}
	tables := maxPairs / (s.Layers * s.Experts * s.Experts) // a layer
	own := 1 + len(evidence{})
	if tables < own {
		own, tables = 0, 0
	}
	f.offsets = spread(s.Layers-1, min(tables-own, maxOffsets))
	for range s.Layers {
		l := &layerForecast{
			history: newHistory(s.Experts),
			next:    make([]float32, s.Experts),
			later:   make([]float32, s.Experts),
		}
		if own > 0 {
			l.lastNext = newTables(1, s.Experts, 0.2)
			l.laterPairs = newTables(len(evidence{}), s.Experts, 0.2)
		}
		l.tokenNext = newTables(len(f.offsets), s.Experts, 0.1)
		l.told = make([]bool, len(f.offsets))
		f.layers = append(f.layers, l)
	}
	f.Warm(NewHeat(s))
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

func (f *forecast) Step(s Step) {
	layer := s.Layer
	if layer < 0 || layer >= f.shape.Layers {
		return
	}
	l := f.layers[layer]
	f.used = chosen(f.shape, f.used[:0], s)
	// A batch is neither what was forecast nor evidence for the token after it.
	single := !batch(f.shape, len(f.used))
	if l.visited && single {
		f.learnNext(layer)
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
	f.gather(layer)
	if l.visited && single {
		f.learnLater(layer)
	}
	l.visited = true
	f.forecast(layer)
	f.spreadEvidence(layer)
}

// gather collects the evidence of a layer that was just visited.
func (f *forecast) gather(layer int) {
	l := f.layers[layer]
	l.brief = l.used(l.brief[:0], briefMemory)
	before := f.layers[earlier(f.shape, layer, 1)]
	after := f.layers[earlier(f.shape, layer, f.shape.Layers-1)]
	l.evidence[0] = append(l.evidence[0][:0], l.last...)
	l.evidence[1] = l.used(l.evidence[1][:0], recentMemory)
	l.evidence[2] = append(l.evidence[2][:0], before.brief...)
	l.evidence[3] = append(l.evidence[3][:0], after.brief...)
}

// answer sets f.grads to the gradients of the logits f.z, given the experts
// that were used.
func (f *forecast) answer() {
	for e, z := range f.z {
		f.grads[e] = sigmoid(z)
	}
	for _, e := range f.used {
		f.grads[e]--
	}
}

// learnNext judges the forecast of a visit that happens now.
func (f *forecast) learnNext(layer int) {
	l := f.layers[layer]
	l.judged++
	f.next.logits(f.z, layer, l.now)
	for _, t := range l.lastNext {
		t.add(f.z, l.last)
	}
	f.answer()
	f.next.learn(f.grads, layer, l.now)
	for _, t := range l.lastNext {
		t.learn(f.grads, l.last)
	}
	for i, offset := range f.offsets {
		if !l.told[i] {
			continue
		}
		from := f.layers[earlier(f.shape, layer, offset)].last
		l.tokenNext[i].add(f.z, from)
		f.answer()
		l.tokenNext[i].learn(f.grads, from)
	}
}

// earlier is the layer that is visited some layers before another.
func earlier(s Shape, layer, offset int) int {
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
func (f *forecast) learnLater(layer int) {
	l := f.layers[layer]
	f.laterLogits(f.goal, layer, l.now, &l.evidence)
	for e, z := range f.goal {
		f.goal[e] = f.gamma * sigmoid(z)
	}
	for _, e := range f.used {
		f.goal[e] = 1
	}
	f.laterLogits(f.z, layer, f.oldFeatures, &f.oldEvidence)
	for e, z := range f.z {
		f.grads[e] = sigmoid(z) - f.goal[e]
	}
	f.later.learn(f.grads, layer, f.oldFeatures)
	for i, t := range l.laterPairs {
		t.learn(f.grads, f.oldEvidence[i])
	}
}

// forecast makes the forecasts of a layer that was just visited.
func (f *forecast) forecast(layer int) {
	l := f.layers[layer]
	f.next.logits(l.next, layer, l.now)
	for _, t := range l.lastNext {
		t.add(l.next, l.last)
	}
	clear(l.told)
	f.laterLogits(l.later, layer, l.now, &l.evidence)
	for e, z := range l.later {
		l.later[e] = sigmoid(z)
	}
	f.value(layer)
}

// spreadEvidence tells the other layers of a visit, once between two visits of
// theirs: a reader that goes round in a few layers is no more evidence.
func (f *forecast) spreadEvidence(layer int) {
	from := f.layers[layer].last
	if len(from) == 0 {
		return
	}
	for i, offset := range f.offsets {
		to := (layer + offset) % f.shape.Layers
		l := f.layers[to]
		if l.told[i] {
			continue
		}
		l.told[i] = true
		l.tokenNext[i].add(l.next, from)
		f.value(to)
	}
}

// value makes the scores of a layer.
func (f *forecast) value(layer int) {
	l := f.layers[layer]
	scores := f.layer(layer)
	for e := range scores {
		scores[e] = 1 - (1-sigmoid(l.next[e]))*(1-l.later[e])
	}
	f.first(layer) // found now, so that choosing a victim is quick
}

// Value is the chance of use at the next visit.
func (f *forecast) Value(k Key) float64 {
	if !f.shape.Contains(k) {
		return 0
	}
	return float64(sigmoid(f.layers[k.Layer].next[k.Expert]))
}

// Forecast is the chance of use at the next visit, or 0 as long as little is
// learned of k's layer.
func (f *forecast) Forecast(_ int, k Key) float64 {
	if !f.shape.Contains(k) || f.layers[k.Layer].judged < minJudged {
		return 0
	}
	return f.Value(k)
}

// minJudged is how many forecasts of a layer must have been judged before one is
// worth reading for. The first ones only repeat what was used last.
const minJudged = 16

// Warm begins with the rates of an earlier run.
func (f *forecast) Warm(h *Heat) {
	for layer, l := range f.layers {
		for e := range f.shape.Experts {
			l.warm(e, h.Rate(Key{Layer: uint16(layer), Expert: uint16(e)}))
		}
		l.describe()
		f.forecast(layer)
	}
}
