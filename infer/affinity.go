package infer

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// allowedCPUs returns the CPUs that the calling thread may run on, in order; nil
// where the system does not tell.
func allowedCPUs() []int {
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) != nil {
		return nil
	}
	cpus := make([]int, 0, set.Count())
	for cpu := 0; len(cpus) < cap(cpus); cpu++ {
		if set.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	return cpus
}

// bind keeps the calling goroutine on one CPU, until undo is called on it. A
// system that does not allow it is as good as one that was not asked.
func bind(cpu int) (undo func()) {
	runtime.LockOSThread()
	var before, one unix.CPUSet
	one.Set(cpu)
	if unix.SchedGetaffinity(0, &before) != nil || unix.SchedSetaffinity(0, &one) != nil {
		return runtime.UnlockOSThread
	}
	return func() {
		_ = unix.SchedSetaffinity(0, &before) // only a CPU that went away can make it fail
		runtime.UnlockOSThread()
	}
}
