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

// bind keeps the calling goroutine on one CPU, until undo is called on it. It
// fails where the system does not allow that, or the CPU has been taken away.
func bind(cpu int) (undo func(), ok bool) {
	runtime.LockOSThread()
	var before, one unix.CPUSet
	one.Set(cpu)
	if unix.SchedGetaffinity(0, &before) != nil || unix.SchedSetaffinity(0, &one) != nil {
		runtime.UnlockOSThread()
		return func() {}, false
	}
	return func() {
		_ = unix.SchedSetaffinity(0, &before) // fails only if all these CPUs have been taken away
		runtime.UnlockOSThread()
	}, true
}
