package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"expertfs"
	"expertfs/checkpoint"
	"expertfs/fsys/budget"
	"expertfs/fsys/mountpoint"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"
)

// memoryPlan is what a mount may come to hold in RAM.
type memoryPlan struct {
	demand   budget.Demand
	dense    int64 // bound on dense files in bytes; the others are read from the drive
	bounds   budget.Bounds
	auto     bool   // the budget follows the memory, within bounds
	fewFiles string // a warning that the limit on open files lowered the budget, or ""
}

// planMemory finds what the mount is to hold in RAM, and refuses what there is no room
// for.
func (c *mountConfig) planMemory(ck *checkpoint.Checkpoint) (p memoryPlan, err error) {
	if p.demand, p.dense, err = c.demand(ck); err != nil {
		return p, err
	}
	if err := p.demand.Refuse(); err != nil {
		return p, withCode(exitLargeBudget, fmt.Errorf("--ram %s: %w", c.ram, err))
	}
	if p.bounds, p.auto, err = c.bounds(ck); err != nil {
		return p, err
	}
	p.fewFiles = fitFiles(ck, &p.demand, &p.bounds, p.auto)
	return p, nil
}

// demand tells what the mount may come to hold in RAM, and the bound on dense files
// in it. What of them has no room is read from the drive.
func (c *mountConfig) demand(ck *checkpoint.Checkpoint) (d budget.Demand, dense int64, err error) {
	m := ck.Config()
	d.Experts = int64(m.Layers) * int64(m.Experts) * ck.ExpertSize()
	all := ck.Unembedding().Size()
	for layer := range m.Layers {
		all += ck.Dense(layer).Size()
	}
	bounds, auto, err := c.bounds(ck)
	if err != nil {
		return d, 0, err
	}
	if auto {
		// The mount keeps dense files once, and a reader what it rounds them to.
		d.Budget, err = bounds.Start(2 * all)
	} else {
		d.Budget, err = budget.Parse(c.ram)
	}
	if err != nil {
		return d, 0, err
	}
	if c.dense == denseAuto {
		dense, err = d.Left()
	} else {
		dense, err = budget.Parse(c.dense)
	}
	dense = max(dense, 1) // 0 is no bound
	d.Dense = min(all, dense)
	return d, dense, err
}

// bounds tells within which bounds a budget follows the memory, and whether it was
// asked to: from two layers' experts of a token to all experts there are, where the
// user names no others.
func (c *mountConfig) bounds(ck *checkpoint.Checkpoint) (b budget.Bounds, auto bool, err error) {
	m := ck.Config()
	if b, auto, err = budget.ParseAuto(c.ram); err != nil {
		return b, auto, err
	}
	all := int64(m.Layers) * int64(m.Experts) * slotBytes(ck)
	if b.Max == 0 {
		b.Max = all
	}
	b.Max = min(b.Max, all)
	b.Min = max(b.Min, 2*int64(m.TopK)*slotBytes(ck))
	b.Max = max(b.Max, b.Min)
	return b, auto, nil
}

// slotBytes is what an expert takes in RAM: whole pages.
func slotBytes(ck *checkpoint.Checkpoint) int64 {
	page := int64(unix.Getpagesize())
	return (ck.ExpertSize() + page - 1) / page * page
}

// denseAuto, as --dense, stands for the memory that is left.
const denseAuto = "auto"

// doubts are warnings about what a mount was asked for: more than the memory there
// is, alone or with other mounts; a budget below what one token uses, with which
// hits are rare whatever the policy.
func doubts(d budget.Demand, others []budget.Other, slot int64, layers, topK int) []string {
	if doubt := d.Doubt(); doubt != "" {
		return []string{doubt}
	}
	if doubt := d.Crowd(others); doubt != "" {
		return []string{doubt}
	}
	need := int64(layers) * int64(topK) * slot
	if d.Budget >= need {
		return nil
	}
	return []string{fmt.Sprintf("the RAM budget of %s is below what one token uses, %d layers x %d experts x %s = %s: expect few hits",
		humanize.IBytes(uint64(d.Budget)), layers, topK, humanize.IBytes(uint64(slot)), humanize.IBytes(uint64(need)))}
}

// othersPatience is how long a mount that is made waits for what others tell of
// themselves, which is of use for a warning only.
const othersPatience = 500 * time.Millisecond

// others finds what other mounts of this machine may hold, as far as they tell it soon.
// This process serves the mount at point, which it must not ask.
func others(point string, patience time.Duration) []budget.Other {
	mounts, err := mountpoint.List()
	if err != nil {
		return nil // they are of use for a warning only
	}
	known := make(map[uint32]bool) // by what is mounted, which may be so at several places
	for _, m := range mounts {
		known[m.Minor] = known[m.Minor] || m.Point == point
	}
	var distinct []mountpoint.Mount
	for _, m := range mounts {
		if !known[m.Minor] {
			known[m.Minor] = true
			distinct = append(distinct, m)
		}
	}
	found := askDemands(distinct, patience)
	slices.SortFunc(found, func(a, b budget.Other) int { return strings.Compare(a.Point, b.Point) })
	return found
}

// askDemands asks all mounts at once, and returns what those tell that answer in time.
func askDemands(mounts []mountpoint.Mount, patience time.Duration) (found []budget.Other) {
	answers := make(chan mountStatus, len(mounts))
	for _, m := range mounts {
		go func() { answers <- statusOf(m) }()
	}
	late := time.After(patience)
	for range mounts {
		select {
		case s := <-answers:
			if s.Report != nil {
				found = append(found, budget.Other{Point: s.Mountpoint, Demand: demandOf(s.Report)})
			}
		case <-late:
			return found
		}
	}
	return found
}

// demandOf is what a mount may hold by its figures.
func demandOf(s *expertfs.Stats) budget.Demand {
	return budget.Demand{
		Budget:  s.Cache.Budget,
		Experts: int64(s.Layers) * int64(s.Experts) * s.Cache.SlotBytes,
		Dense:   s.Cache.DenseBytes,
	}
}

// allowFiles raises the limit on open files to what a server may need with so many
// experts in RAM, each of which is a file. Where that is not possible it says why, and
// how many experts leave files to all else. The runtime has raised the limit as far as
// anybody may.
func allowFiles(experts int64) (most int64, warning string) {
	const beside = 512 // dense files, the checkpoint, connections
	need := uint64(experts + beside)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || limit.Cur >= need {
		return experts, ""
	}
	higher := unix.Rlimit{Cur: max(limit.Cur, need), Max: max(limit.Max, need)}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &higher); err != nil {
		if most = max(int64(limit.Cur)-beside, int64(limit.Cur)/2); most >= experts {
			return experts, ""
		}
		return most, fmt.Sprintf("this process may open %d files, and %d experts in RAM may want %d (%v): the budget is that of %d; ulimit -n and LimitNOFILE= raise that",
			limit.Cur, experts, need, err, most)
	}
	return experts, ""
}

// fitFiles lowers a budget, and how far it may grow, to the experts that the limit on
// open files has room for, and tells so.
func fitFiles(ck *checkpoint.Checkpoint, d *budget.Demand, b *budget.Bounds, auto bool) (warning string) {
	slot := slotBytes(ck)
	want := d.Budget
	if auto {
		want = b.Max
	}
	most, warning := allowFiles(min(want/slot, d.Experts/ck.ExpertSize()))
	if warning == "" {
		return ""
	}
	room := max(most, 2*int64(ck.Config().TopK)) * slot // with less nothing is computed
	d.Budget, b.Max = min(d.Budget, room), min(b.Max, room)
	b.Min = min(b.Min, b.Max)
	return warning
}
