package handout

import "sync"

// quota bounds how many of something the users of a socket have: connections, or
// pins. One of several users gets no more than is left for the others, so that
// whoever takes all he can leaves room for the next, who then leaves some as
// well: of n such users each has one part in n+1.
type quota struct {
	most   int
	shared bool // by several users

	mu  sync.Mutex
	all int
	of  map[uint32]int // by uid; of those who have any
}

func newQuota(most int, shared bool) *quota {
	return &quota{most: most, shared: shared, of: make(map[uint32]int)}
}

// take has a user have one more. It tells whether he may.
func (q *quota) take(uid uint32) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	left := q.most - q.all
	if left <= 0 || q.shared && q.of[uid] >= left {
		return false
	}
	q.all++
	q.of[uid]++
	return true
}

// give has a user have n less.
func (q *quota) give(uid uint32, n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.all -= n
	if q.of[uid] -= n; q.of[uid] == 0 {
		delete(q.of, uid)
	}
}
