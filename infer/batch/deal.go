package batch

import (
	"cmp"
	"slices"
	"time"
)

// stageTime is how long texts that run wait for stages of a chunk, beside their own
// step. Some stages take longer than foreseen, and steps take longer in turn with
// chunks than alone: with three quarters of a step those stay below two.
func (s *Scheduler) stageTime() time.Duration { return s.usualStep() * 3 / 4 }

// chunkTokens is how many tokens take about stageTime in one stage, by what those of
// the last chunk took in the longest of its layers. A model of few layers has short
// steps, a machine with few processors long stages of many tokens, and attention grows
// with the text.
func (s *Scheduler) chunkTokens() int {
	if s.perToken == 0 {
		return min(leastChunk, s.o.Chunk)
	}
	n := int(s.stageTime()/s.perToken) / chunkUnit * chunkUnit
	return max(min(n, s.o.Chunk), min(leastChunk, s.o.Chunk))
}

const (
	// leastChunk is small enough to learn from, and large enough for kernels that
	// multiply several vectors at a time.
	leastChunk = 16
	chunkUnit  = 16
)

// deal divides room for so many tokens evenly among prompts. What one does not need
// the others have. One that is to be alone is.
func deal(prompts []*request, room int) []part {
	if i := slices.IndexFunc(prompts, func(r *request) bool { return r.alone }); i >= 0 {
		prompts = prompts[i : i+1]
	}
	sorted := slices.Clone(prompts)
	slices.SortStableFunc(sorted, func(a, b *request) int { return cmp.Compare(len(a.ids), len(b.ids)) })
	var parts []part
	for i, r := range sorted {
		n := min(len(r.ids), room/(len(sorted)-i))
		if n > 0 {
			parts = append(parts, part{r, n})
			room -= n
		}
	}
	return parts
}
