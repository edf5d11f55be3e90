package replay_test

import (
	"testing"

	"expertfs"
	"expertfs/policy/replay"

	"github.com/stretchr/testify/assert"
)

func TestInterleave(t *testing.T) {
	a := []expertfs.TraceStep{step(0, 0, 1), step(0, 1, 2), step(1, 0, 3)}
	b := []expertfs.TraceStep{step(0, 2, 4)}
	c := []expertfs.TraceStep{step(5, 0, 5), step(6, 0, 6), step(7, 0, 7)}
	of := func(stream int, token int64, s expertfs.TraceStep) expertfs.TraceStep {
		s.Stream, s.Token = stream, token
		return s
	}
	want := []expertfs.TraceStep{
		of(0, 0, a[0]), of(1, 2, b[0]),
		of(0, 0, a[1]), of(1, 8, c[0]), // goes on with the third
		of(0, 1, a[2]), of(1, 9, c[1]),
		{Stream: 0, End: true}, of(1, 10, c[2]),
		{Stream: 1, End: true},
	}
	assert.Equal(t, want, replay.Interleave([][]expertfs.TraceStep{a, b, c}, 2))
	assert.EqualValues(t, 6, recording(t, want).Tokens)
	assert.Empty(t, replay.Interleave(nil, 0))
}
