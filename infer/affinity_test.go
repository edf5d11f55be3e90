package infer

import (
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// cpusOfThreads returns the CPUs that each thread of the pool may run on. A task
// ends when all have begun, so that each thread has one.
func cpusOfThreads(t *testing.T, p *pool) [][]int {
	cpus := make([][]int, p.threads)
	var all sync.WaitGroup
	all.Add(p.threads)
	p.run(p.threads, func(thread, _ int) {
		cpus[thread] = allowedCPUs()
		all.Done()
		all.Wait()
	})
	return cpus
}

// boundThreads counts the threads of this process, whosever they are, that may
// run on one CPU only.
func boundThreads(t *testing.T) (n int) {
	entries, err := os.ReadDir("/proc/self/task")
	require.NoError(t, err)
	for _, e := range entries {
		tid, err := strconv.Atoi(e.Name())
		require.NoError(t, err)
		var set unix.CPUSet
		if err := unix.SchedGetaffinity(tid, &set); err != unix.ESRCH { // it may have ended
			require.NoError(t, err)
			if set.Count() == 1 {
				n++
			}
		}
	}
	return n
}

// severalCPUs returns the CPUs of this process.
func severalCPUs(t *testing.T) []int {
	cpus := allowedCPUs()
	if len(cpus) < 2 {
		t.Skip("there are no two CPUs to choose from")
	}
	return cpus
}

func TestThreadsAreBoundToCPUsOfTheirOwn(t *testing.T) {
	cpus := severalCPUs(t)
	p := newPool(len(cpus), true)
	leave := p.enter()
	require.Equal(t, cpus, slices.Concat(cpusOfThreads(t, p)...), "one CPU for each thread")
	require.Equal(t, len(cpus), boundThreads(t), "and no other thread is bound")
	leave()
	p.close()
	require.Zero(t, boundThreads(t), "nor is one later")
}

func TestThreadsAreFreeUnlessThereAreAsManyAsCPUs(t *testing.T) {
	cpus := severalCPUs(t)
	for _, p := range []*pool{newPool(len(cpus), false), newPool(len(cpus)+1, true)} {
		leave := p.enter()
		for _, free := range cpusOfThreads(t, p) {
			require.Equal(t, cpus, free)
		}
		leave()
		p.close()
	}
}

// TestBindThatFails asks for a CPU that no system has.
func TestBindThatFails(t *testing.T) {
	undo, ok := bind(1023)
	if ok {
		undo()
		t.Skip("there is such a CPU")
	}
	undo()
	require.Zero(t, boundThreads(t))
}
