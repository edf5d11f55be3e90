package infer

import (
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// cpusOfThreads runs tasks until every thread of the pool had one, and returns
// the CPUs that each may run on.
func cpusOfThreads(t *testing.T, p *pool) [][]int {
	cpus := make([][]int, p.threads)
	var mu sync.Mutex
	for slices.ContainsFunc(cpus, func(c []int) bool { return c == nil }) {
		var all sync.WaitGroup // a task for each thread: none can do two
		all.Add(p.threads)
		require.NoError(t, p.run(p.threads, func(thread, _ int) {
			mu.Lock()
			cpus[thread] = allowedCPUs()
			mu.Unlock()
			all.Done()
			all.Wait()
		}))
	}
	return cpus
}

func TestThreadsAreBoundToCPUsOfTheirOwn(t *testing.T) {
	before := allowedCPUs()
	require.NotEmpty(t, before)
	p := newPool(len(before), true)
	leave := p.enter()
	bound := cpusOfThreads(t, p)
	leave()
	p.close()
	require.Equal(t, before, slices.Concat(bound...), "one CPU for each thread")
	require.Equal(t, before, allowedCPUs(), "the caller is free again")
}

func TestThreadsAreFreeUnlessThereAreAsManyAsCPUs(t *testing.T) {
	before := allowedCPUs()
	for _, p := range []*pool{newPool(len(before), false), newPool(len(before)+1, true)} {
		leave := p.enter()
		for _, cpus := range cpusOfThreads(t, p) {
			require.Equal(t, before, cpus)
		}
		leave()
		p.close()
	}
}
