package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Options of a run.
type Options struct {
	Rounds  int    // each measure is repeated so often, at least once
	Experts int    // in the working set of hits; 0 is as many as make 512 MiB
	Scratch string // folder on the drive for a plain copy of some experts; "" is the checkpoint's
	Seed    uint64 // of the random orders
}

// workingSet is larger than the caches of processors.
const workingSet = 512 << 20

// run is a run in progress.
type run struct {
	Options
	ctx    context.Context
	m      *Mount
	order  *rand.Rand
	sums   map[int]uint64 // of the experts that are read, by the checkpoint
	reader *reader
	result *Result
}

// Run measures the mount at point. It changes the mount's policy for the
// hits and its budget for the misses where it has to, and puts them back.
func Run(ctx context.Context, point string, o Options) (result *Result, err error) {
	m, err := openMount(point)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	r := &run{Options: o, ctx: ctx, m: m, order: rand.New(rand.NewPCG(o.Seed, 0)), sums: make(map[int]uint64)}
	if r.reader, err = newReader(m.size); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.reader.close()) }()
	r.describe()
	if err := r.hits(); err != nil {
		return nil, err
	}
	if err := r.misses(); err != nil {
		return nil, err
	}
	for _, x := range r.result.Measures {
		x.finish(m.size)
	}
	return r.result, nil
}

// describe notes where and in what state the run takes place.
func (r *run) describe() {
	var uts unix.Utsname
	_ = unix.Uname(&uts) // cannot fail on memory of ours
	load, _ := os.ReadFile("/proc/loadavg")
	fields := append(strings.Fields(string(load)), "?", "?", "?")
	first := r.m.first
	r.result = &Result{
		Mountpoint: first.Mountpoint, Model: first.Model, ExpertSize: r.m.size,
		Kernel: unix.ByteSliceToString(uts.Release[:]), Processors: runtime.NumCPU(), Load: strings.Join(fields[:3], " "),
	}
	r.note("the mount reads by %s from %s, and the drive by %s", first.Mechanism, first.Cache.Mechanism, first.Cache.Drive)
}

// row begins a line of the result.
func (r *run) row(name string) *Measure {
	m := &Measure{Name: name}
	r.result.Measures = append(r.result.Measures, m)
	return m
}

func (r *run) note(format string, args ...any) {
	r.result.Conditions = append(r.result.Conditions, fmt.Sprintf(format, args...))
}

// learn reads expert e from the checkpoint and keeps its sum. The content is
// valid until the next call.
func (r *run) learn(e int) ([]byte, error) {
	if err := r.m.content(e, r.reader.buf); err != nil {
		return nil, err
	}
	r.sums[e] = Sum(r.reader.buf)
	return r.reader.buf, nil
}

// right tells whether a sum is that of expert e.
func (r *run) right(e int, sum uint64) error {
	if sum != r.sums[e] {
		return fmt.Errorf("%s: wrong bytes", r.m.path(e))
	}
	return nil
}

// shuffled returns the experts in a random order.
func (r *run) shuffled(experts []int) []int {
	out := append([]int(nil), experts...)
	r.order.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}
