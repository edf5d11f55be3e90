package replay

import (
	"container/heap"
	"math"
)

// belady counts the hits of the offline optimum with room for a number of
// experts: what is used farthest in the future goes (Belady, "A study of
// replacement algorithms for a virtual-storage computer", 1966). As with the
// online policies every miss is loaded.
func (r *Recording) belady(capacity int) (hits int64) {
	if capacity <= 0 {
		return 0
	}
	ids := make([]int32, 0, r.Accesses)
	for _, step := range r.Steps {
		for _, k := range step.Used {
			ids = append(ids, int32(k.Layer)*int32(r.Shape.Experts)+int32(k.Expert))
		}
	}
	// next[i] is when the expert of access i is used again.
	next := make([]int32, len(ids))
	seen := make([]int32, r.Shape.Layers*r.Shape.Experts)
	for e := range seen {
		seen[e] = math.MaxInt32
	}
	for i := len(ids) - 1; i >= 0; i-- {
		next[i] = seen[ids[i]]
		seen[ids[i]] = int32(i)
	}

	due := make([]int32, len(seen)) // of residents: when they are used next
	resident := make([]bool, len(seen))
	count := 0
	var farthest uses
	for i, id := range ids {
		if resident[id] {
			hits++
		} else {
			if count == capacity {
				// A use that was overtaken by a later one is skipped.
				for {
					u := heap.Pop(&farthest).(use)
					if resident[u.id] && due[u.id] == u.at {
						resident[u.id] = false
						break
					}
				}
				count--
			}
			resident[id] = true
			count++
		}
		due[id] = next[i]
		heap.Push(&farthest, use{next[i], id})
	}
	return hits
}

// use says that an expert is used at a time, counted in accesses.
type use struct{ at, id int32 }

// uses is a heap, the farthest use first.
type uses []use

func (u uses) Len() int           { return len(u) }
func (u uses) Less(i, j int) bool { return u[i].at > u[j].at }
func (u uses) Swap(i, j int)      { u[i], u[j] = u[j], u[i] }
func (u *uses) Push(x any)        { *u = append(*u, x.(use)) }
func (u *uses) Pop() any {
	last := len(*u) - 1
	x := (*u)[last]
	*u = (*u)[:last]
	return x
}
