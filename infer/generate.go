package infer

import (
	"context"
	"slices"
)

// Generation says how a text goes on.
type Generation struct {
	Max    int                                 // most tokens; negative: until a stop or the end of the context
	Stop   []int                               // ids that end the text; they are part of the result
	Sample func(logits []float32) (int, error) // chooses the next id
	Emit   func(id int) (more bool)            // sees each id as it is chosen; may be nil
}

// Finish is why a generation ended.
type Finish string

const (
	FinishStop      Finish = "stop"      // a stop id was chosen, or Emit wanted no more
	FinishLength    Finish = "length"    // Max or the end of the context was reached
	FinishCancelled Finish = "cancelled" // the context.Context ended
)

// Generate chooses tokens after a session's last one and appends each but the
// last to the session. What was generated is returned whatever the error; a
// cancelled ctx is a Finish and not an error.
func (s *Session) Generate(ctx context.Context, g Generation) ([]int, Finish, error) {
	var ids []int
	for g.Max < 0 || len(ids) < g.Max {
		if ctx.Err() != nil {
			return ids, FinishCancelled, nil
		}
		if len(ids) > 0 {
			if s.Len() == s.e.set.context {
				return ids, FinishLength, nil
			}
			if err := s.Append(ctx, ids[len(ids)-1:], nil); err != nil {
				if ctx.Err() != nil {
					return ids, FinishCancelled, nil
				}
				return ids, "", err
			}
		}
		id, err := g.Sample(s.logits)
		if err != nil {
			return ids, "", err
		}
		ids = append(ids, id)
		if more := g.Emit == nil || g.Emit(id); !more || slices.Contains(g.Stop, id) {
			return ids, FinishStop, nil
		}
	}
	return ids, FinishLength, nil
}
