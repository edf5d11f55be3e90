package experts

// precision is the share of right predictions, recent ones counting more.
type precision struct {
	right  float64
	judged int // predictions that it is made of, up to recentPredictions
}

const (
	// goodPrecision is the precision from which hints are sent. A right hint hides a
	// part of a load behind the computation. A wrong one takes the drive for a part of
	// a load, and an expert's place in RAM. Experts that are not in RAM are predicted
	// somewhat worse than others.
	goodPrecision = 0.6
	// recentPredictions is about how many predictions a precision covers. The first
	// minJudged are only judged: no hints are sent.
	recentPredictions = 1024
	minJudged         = 16
)

func (s *precision) add(right bool) {
	s.judged = min(s.judged+1, recentPredictions)
	x := 0.0
	if right {
		x = 1
	}
	s.right += (x - s.right) / float64(s.judged)
}

// good tells whether predictions of this kind are worth a hint.
func (s *precision) good() bool { return s.judged >= minJudged && s.right >= goodPrecision }

// layerPredictions are those for one layer in the present batch.
type layerPredictions struct {
	made   [MaxAhead + 1][]Predicted // by layers ahead: n*k, best of each token first; empty if none were made
	hinted []bool                    // [E], experts that the mount was told to prefetch

	chosen, seen []bool // [E], used by compare
}

// clear forgets the predictions.
func (g *layerPredictions) clear() {
	for ahead := range g.made {
		g.made[ahead] = g.made[ahead][:0]
	}
	clear(g.hinted)
}

// compare counts predictions and the experts used, each expert once. It leaves the
// latter marked in g.chosen.
func (g *layerPredictions) compare(made []Predicted, used []int) Accuracy {
	clear(g.chosen)
	clear(g.seen)
	for _, x := range used {
		g.chosen[x] = true
	}
	c := Accuracy{Chosen: int64(len(used))}
	for _, x := range made {
		if g.seen[x.Expert] {
			continue
		}
		g.seen[x.Expert] = true
		c.Predicted++
		if g.chosen[x.Expert] {
			c.Right++
		}
	}
	return c
}

// Accuracy counts predictions, each expert once per batch of tokens. Precision is
// Right/Predicted, recall Right/Chosen; they are the same where tokens come one by
// one.
type Accuracy struct {
	Predicted int64 // experts predicted
	Chosen    int64 // experts chosen by the router, where there were predictions
	Right     int64 // both
	Hinted    int64 // experts that the mount was told to prefetch
}

func (p *Accuracy) add(q Accuracy) {
	p.Predicted += q.Predicted
	p.Chosen += q.Chosen
	p.Right += q.Right
	p.Hinted += q.Hinted
}

// Sub returns what was counted since the earlier state q.
func (p Accuracy) Sub(q Accuracy) Accuracy {
	return Accuracy{p.Predicted - q.Predicted, p.Chosen - q.Chosen, p.Right - q.Right, p.Hinted - q.Hinted}
}
