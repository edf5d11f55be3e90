package handout

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// takeAll takes what a user can get.
func takeAll(q *quota, uid uint32) (n int) {
	for q.take(uid) {
		n++
	}
	return n
}

// TestUsersLeaveRoomForOthers: whoever takes all he can, and whoever comes after him.
func TestUsersLeaveRoomForOthers(t *testing.T) {
	q := newQuota(1000, true)
	require.Equal(t, 500, takeAll(q, 1))
	require.Equal(t, 250, takeAll(q, 2))
	require.Equal(t, 125, takeAll(q, 3))
	q.give(1, 500)
	require.Equal(t, 313, takeAll(q, 1), "as many as are left for others")
	require.Positive(t, takeAll(q, 2))
	for uid, n := range q.of {
		q.give(uid, n)
	}
	require.Empty(t, q.of)
	require.Zero(t, q.all)

	alone := newQuota(1000, false)
	require.Equal(t, 1000, takeAll(alone, 1))
	few := newQuota(1, true)
	require.True(t, few.take(1), "the last one is somebody's")
}
