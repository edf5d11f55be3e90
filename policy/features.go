package policy

import "math"

// The features by which forecast tells experts of a layer apart: logarithms of
// averages of use with several memories, the time since the last use, and a
// constant.
const (
	featConst  = len(memories) // 1
	featAge    = featConst + 1 // log of the visits since the last use
	featUsed   = featAge + 1   // 1 if the last visit used it
	featRank   = featUsed + 1  // average in which a better rank counts more
	nFeatures  = featRank + 1
	rankMemory = 0.1
)

// memories are the weights of the newest visit in the averages: from two
// visits to an answer's length, each a few times the one before.
var memories = [...]float32{0.4, 0.15, 0.05, 0.02, 0.006, 0.002}

// Indices of the averages that say what was used in the last few visits, and
// in the last ten or so.
const (
	briefMemory  = 0
	recentMemory = 1
)

// features of an expert are about of size 1, so that one learning rate suits
// them all. Zeros fill the row up to whole vectors.
type features [featureRow]float32

const featureRow = (nFeatures + 7) / 8 * 8

// history keeps the features of the experts of one layer.
type history struct {
	means  [][len(memories)]float32 // by expert
	ranked []float32
	age    []int32 // visits since the last use
	now    []features
}

func newHistory(experts int) *history {
	return &history{
		means:  make([][len(memories)]float32, experts),
		ranked: make([]float32, experts),
		age:    make([]int32, experts),
		now:    make([]features, experts),
	}
}

// warm makes the averages of an expert a rate, and its age the usual one.
func (h *history) warm(expert int, rate float32) {
	age := int32(1 / max(rate, negligible/10))
	h.ranked[expert], h.age[expert] = rate, age
	logRate := logRate(rate) // of all averages
	f := &h.now[expert]
	for i := range memories {
		h.means[expert][i], f[i] = rate, logRate
	}
	f[featConst], f[featAge], f[featUsed], f[featRank] = 1, logAge(age), usedNow(age), logRate
}

// usedNow is the feature of an age.
func usedNow(age int32) float32 {
	if age == 0 {
		return 1
	}
	return 0
}

// visit takes the experts that a visit used, in order of rank.
func (h *history) visit(used []int) {
	for e := range h.means {
		for i, m := range memories {
			h.means[e][i] -= m * h.means[e][i]
		}
		h.ranked[e] -= rankMemory * h.ranked[e]
		h.age[e]++
	}
	for rank, e := range used {
		for i, m := range memories {
			h.means[e][i] += m
		}
		h.ranked[e] += rankMemory * rankWeight(rank, len(used))
		h.age[e] = 0
	}
	h.describe()
}

// rankWeight is falling from the first to the last of n ranks; the mean is 1.
func rankWeight(rank, n int) float32 {
	return float32(2*(n-rank)) / float32(n+1)
}

// describe computes the features.
func (h *history) describe() {
	for e := range h.now {
		f := &h.now[e]
		for i, m := range h.means[e] {
			f[i] = logRate(m)
		}
		f[featConst] = 1
		f[featAge] = logAge(h.age[e])
		f[featUsed] = usedNow(h.age[e])
		f[featRank] = logRate(h.ranked[e])
	}
}

// logAge is the logarithm of an age, moved like logRate.
func logAge(age int32) float32 {
	if int(age) < len(logAges) {
		return logAges[age]
	}
	return float32(math.Log1p(float64(age))) - 2
}

// logAges tabulates logAge for the ages that are common.
var logAges = func() (table [1024]float32) {
	for age := range table {
		table[age] = float32(math.Log1p(float64(age))) - 2
	}
	return table
}()

// logRate is the logarithm of a rate, moved so that common rates come near 0.
func logRate(rate float32) float32 {
	return logRates[int(min(max(rate, 0), 1)*(len32-1)+0.5)]
}

const len32 = float32(len(logRates))

// logRates tabulates logRate, which is needed some thousand times a token.
var logRates = func() (table [4096]float32) {
	for i := range table {
		table[i] = float32(math.Log(float64(i)/float64(len(table)-1)+0.01)) + 2
	}
	return table
}()

// used appends the experts whose average of a memory is not negligible, with
// that average.
func (h *history) used(dst []source, memory int) []source {
	for e := range h.means {
		if m := h.means[e][memory]; m > negligible {
			dst = append(dst, source{e, m})
		}
	}
	return dst
}

// negligible is below what some six visits leave of a use in either memory.
const negligible = 0.06
