package batch

import (
	"slices"
	"time"
)

// A prompt is brief beside a chunk that has twice as many tokens, or could have. It
// does not wait for that chunk: the chunk is left between two stages, and the brief
// prompts that wait are computed as one of their own. What is left of it has its
// intermediate results, and is computed no slower. So that many brief prompts do not
// stop a long one, the next goes before it when it has had as much time as the last.

// briefParts are the brief prompts that wait, whole, as many as are brief together, in
// order of arrival: shorter ones that come without end must not stop one either. There
// are none where no other prompt would wait for them, or all have room in one chunk.
func (s *Scheduler) briefParts() (parts []part) {
	room, all := s.room(), 0
	for _, r := range s.prompts {
		all += len(r.ids)
	}
	if s.closed || s.chunk == nil && all <= room {
		return nil
	}
	if s.chunk != nil {
		room = min(room, s.chunk.tokens)
	}
	room /= 2
	for _, r := range s.prompts {
		if r.alone || len(r.ids) > room || s.chunk != nil && s.chunk.has(r) {
			continue
		}
		room -= len(r.ids)
		parts = append(parts, part{r, len(r.ids)})
	}
	if len(parts) == len(s.prompts) {
		return nil
	}
	return parts
}

// patient are the prompts that a chunk is made of: brief ones do not enter one with
// others, as their turn comes before it ends.
func (s *Scheduler) patient() []*request {
	brief := s.briefParts()
	return slices.DeleteFunc(slices.Clone(s.prompts), func(r *request) bool {
		return slices.ContainsFunc(brief, func(x part) bool { return x.request == r })
	})
}

// givesWay tells whether a chunk, which has been computed for so long, is to be left
// for brief prompts.
func (s *Scheduler) givesWay(c *chunk, took time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return c == s.chunk && s.lead <= took && len(s.briefParts()) > 0
}

// account is told how long a chunk was computed.
func (s *Scheduler) account(c *chunk, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case c != s.brief:
		s.lead = max(0, s.lead-took)
	case len(s.prompts) > len(c.parts): // others wait
		s.lead += took
	}
}
