package infer

import (
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"expertfs/infer/mapped"
)

// spinFor bounds how long a thread waits awake. The regions of a layer follow
// each other within microseconds, so that a sleep between them would cost more
// than the work; waiting for an expert takes milliseconds, and then the
// processor belongs to whoever can use it.
const spinFor = 30 * time.Microsecond

// pool runs loops on a fixed number of threads, of which the caller is one.
// Tasks are claimed one by one, so a thread that the system has suspended holds
// up only the task that it is in, and one that sleeps is not waited for. Each
// thread begins with a portion of its own, in order: tasks are rows of a matrix,
// and whoever goes on where it ended finds the next rows on their way from
// memory.
//
// With as many threads as CPUs, each is bound to one. The system alone does
// worse: threads sleep and wake within microseconds, beside those of a mount that
// reads from the drive, and for a fifth of the time one waited for a CPU while
// another was idle. With fewer threads than CPUs two programs could be bound to
// the same ones while others idle, and with more some would have to share; then
// they run anywhere.
type pool struct {
	threads int
	cpus    []int // by thread, the CPU that it is bound to; nil: any
	job     atomic.Pointer[job]
	workers []worker
	joined  chan struct{}
	stop    atomic.Bool
	running sync.WaitGroup
}

// worker is one of the pool's own goroutines; parked says that it sleeps on wake.
type worker struct {
	parked atomic.Bool
	wake   chan struct{}
	_      [48]byte // a cache line of its own
}

// job is one loop. It is not reused: a thread that wakes late finds no task
// left in it.
type job struct {
	body     func(thread, task int)
	portions []portion    // by thread
	left     atomic.Int32 // tasks not finished
	waiting  atomic.Bool  // the caller sleeps until left is 0
	failure  atomic.Pointer[mapped.Fault]
}

// portion is the tasks that a thread does first, and others when they have none.
type portion struct {
	next atomic.Int32 // first unclaimed task
	end  int32
	_    [56]byte // a cache line of its own
}

// deal gives each thread a portion of the tasks; they differ by one at most.
func deal(tasks, threads int) []portion {
	portions := make([]portion, threads)
	for t := range portions {
		portions[t].next.Store(int32(tasks * t / threads))
		portions[t].end = int32(tasks * (t + 1) / threads)
	}
	return portions
}

// claim returns a task for a thread, of its own portion while there is one. It
// fails when all tasks are claimed.
func (j *job) claim(thread int) (task int, ok bool) {
	for i := range j.portions {
		p := &j.portions[(thread+i)%len(j.portions)]
		if p.next.Load() >= p.end {
			continue
		}
		if task := p.next.Add(1) - 1; task < p.end {
			return int(task), true
		}
	}
	return 0, false
}

// newPool starts the threads; strict says that they may be bound to CPUs.
func newPool(threads int, strict bool) *pool {
	p := &pool{threads: threads, workers: make([]worker, threads-1), joined: make(chan struct{}, 1)}
	if cpus := allowedCPUs(); strict && threads > 1 && len(cpus) == threads {
		if undo, ok := bind(cpus[0]); ok {
			undo()
			p.cpus = cpus
		}
	}
	for i := range p.workers {
		p.workers[i].wake = make(chan struct{}, 1)
		p.running.Add(1)
		go p.serve(i)
	}
	return p
}

// close ends the workers; no loop may be running.
func (p *pool) close() {
	p.stop.Store(true)
	for i := range p.workers {
		p.workers[i].unpark()
	}
	p.running.Wait()
}

// enter makes the calling goroutine the first thread, until it calls leave. It
// is for many runs; one without it is as good, only not bound.
func (p *pool) enter() (leave func()) { return p.bind(0) }

func (p *pool) bind(thread int) (undo func()) {
	if p.cpus == nil {
		return func() {}
	}
	undo, _ = bind(p.cpus[thread])
	return undo
}

// run calls body for every task from 0 to tasks-1, on any thread and in any
// order, and returns when all are done. A memory fault in a body (the mount
// died, a file was cut) is raised again in the caller, where mapped.Guard turns it
// into an error. Only one run at a time.
func (p *pool) run(tasks int, body func(thread, task int)) {
	if tasks == 0 {
		return
	}
	j := &job{body: body, portions: deal(tasks, p.threads)}
	j.left.Store(int32(tasks))
	if tasks > 1 {
		p.job.Store(j)
		for i := range p.workers {
			p.workers[i].unpark()
		}
	}
	j.work(p, 0)
	p.await(j)
	if f := j.failure.Load(); f != nil {
		panic(*f)
	}
}

// await returns when all tasks of j are done.
func (p *pool) await(j *job) {
	if spin(func() bool { return j.left.Load() == 0 }) {
		return
	}
	j.waiting.Swap(true) // see park
	if j.left.Load() == 0 && j.waiting.CompareAndSwap(true, false) {
		return
	}
	<-p.joined
}

// work runs tasks of j until none is left to claim.
func (j *job) work(p *pool, thread int) {
	for {
		task, ok := j.claim(thread)
		if !ok {
			return
		}
		j.runTask(thread, task)
		if j.left.Add(-1) == 0 && j.waiting.CompareAndSwap(true, false) {
			p.joined <- struct{}{}
		}
	}
}

func (j *job) runTask(thread, task int) {
	defer func() {
		if r := recover(); r != nil {
			f := mapped.AsFault(r)
			j.failure.CompareAndSwap(nil, &f)
		}
	}()
	j.body(thread, task)
}

// serve is the life of a worker.
func (p *pool) serve(i int) {
	defer p.running.Done()
	defer p.bind(i + 1)()
	debug.SetPanicOnFault(true)
	w := &p.workers[i]
	var last *job
	for {
		fresh := func() bool { return p.job.Load() != last || p.stop.Load() }
		if !spin(fresh) {
			w.park(fresh)
		}
		if p.stop.Load() {
			return
		}
		last = p.job.Load()
		last.work(p, i+1)
	}
}

// park sleeps until unpark is called, unless ready already holds. Either it sees what
// ready looks at, or unpark sees that it is parked: a Swap in place of a Store holds that
// under qemu too, which lets the loads of arm64 pass the stores before them.
func (w *worker) park(ready func() bool) {
	w.parked.Swap(true)
	if ready() && w.parked.CompareAndSwap(true, false) {
		return
	}
	<-w.wake
}

// unpark wakes the worker where it sleeps.
func (w *worker) unpark() {
	if w.parked.CompareAndSwap(true, false) {
		w.wake <- struct{}{}
	}
}

// spin waits awake for done, for a bounded time, and tells whether it came
// true. The goroutines that open experts run on threads of their own meanwhile,
// if the runtime has been given some (GOMAXPROCS above the pool's threads).
func spin(done func() bool) bool {
	if done() {
		return true
	}
	for start := time.Now(); time.Since(start) < spinFor; {
		for range 16 {
			if done() {
				return true
			}
		}
	}
	return false
}
