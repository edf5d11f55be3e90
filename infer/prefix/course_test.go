package prefix

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCourse: what a course tells is what the store has when as much was computed, and
// not before.
func TestCourse(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	random := func(n int) []int {
		ids := make([]int, n)
		for i := range ids {
			ids[i] = r.IntN(40) // 0 begins messages
		}
		return ids
	}
	met := 0
	for range 60 {
		s := openStore(t, "", func(o *Options) { o.Start = 0 })
		ahead := random(1 + r.IntN(700))
		if r.IntN(2) == 0 { // something is known of it
			keep(s, ahead, 1+r.IntN(len(ahead)))
		}
		c := s.Course(ahead, s.Known(ahead, len(ahead)-1))
		ids := append(slices.Clone(ahead[:r.IntN(len(ahead)+1)]), random(1+r.IntN(20))...)
		if r.IntN(3) == 0 {
			ids = ahead
		}
		most := len(ids) - 1
		reach, computed := c.Meets(ids, most)
		for _, end := range c.ends[1:] {
			if end < computed {
				keep(s, ahead, end)
			}
		}
		before := s.Known(ids, most)
		if reach == 0 {
			require.Zero(t, computed)
			continue
		}
		require.Less(t, before, reach)
		keep(s, ahead, computed)
		require.Equal(t, reach, s.Known(ids, most))
		met++
	}
	require.Greater(t, met, 20)
}

// TestCourseWithoutRoom: who waits for what is not kept waits in vain.
func TestCourseWithoutRoom(t *testing.T) {
	ids := count(0, 600)
	for name, c := range map[string]struct {
		dir       bool
		ram, disk int64
		want      int
	}{
		"nothing is kept": {want: 0},
		"a part in RAM":   {ram: testShape.Memory(0, 512), want: 512},
		"all in RAM":      {ram: testShape.Memory(0, 512) + testShape.Memory(512, 600), want: 599},
		"files":           {dir: true, disk: 1 << 30, want: 599},
		"small files":     {dir: true, disk: 1, want: 0},
	} {
		dir := ""
		if c.dir {
			dir = t.TempDir()
		}
		s := openStore(t, dir, func(o *Options) { o.RAM, o.Disk = c.ram, c.disk })
		reach, _ := s.Course(ids, 0).Meets(ids, len(ids)-1)
		require.Equal(t, c.want, reach, name)
	}
}
