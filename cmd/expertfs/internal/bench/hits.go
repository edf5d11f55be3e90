package bench

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"expertfs"
)

// hits measures the use of experts that are in RAM, beside the same bytes in a
// plain tmpfs and, for what people have today, in plain files in the page cache.
func (r *run) hits() (err error) {
	set := r.hitSet()
	plain, err := newTmpfs(len(set), r.m.size)
	if err != nil {
		// Without the right to mount there is no such limit.
		r.note("no plain tmpfs to compare with: %v", err)
	} else {
		defer func() { err = errors.Join(err, plain.close()) }()
	}
	warm, err := r.newFolder()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, warm.close()) }()
	if err := r.copyTo(set, plain, warm); err != nil {
		return err
	}
	r.note("hits: %d experts (%d MB), each read before, in RAM; page cache files written before", len(set), len(set)*r.m.size/1e6)
	child, err := startEcho()
	if err != nil {
		r.note("no round trip between processes to compare with: %v", err)
	} else {
		defer func() { err = errors.Join(err, child.close()) }()
	}
	r.note("pread: in one call into a buffer of the file's size, or by 1 MiB into the same buffer again and again; on huge pages if there are any")
	if err := r.load(set); err != nil {
		return err
	}
	arms := r.hitArms(plain, warm, child)
	if why := r.m.first.NoSocket; why != "" {
		r.note("no hits by the mount's socket: %s", why)
		return r.measureHits(set, arms)
	}
	from := socket{r.m, expertfs.NewOpener(r.m.point, r.m.names())}
	defer from.opener.Close()
	arms = append(arms, r.socketArms(from)...)
	if err := r.measureHits(set, arms); err != nil {
		return err
	}
	if _, files := from.opener.Opens(); files > 0 {
		return fmt.Errorf("the mount's socket cannot be reached: %d experts were opened as files", files)
	}
	return nil
}

// socketArms lists what is measured on hits by the mount's socket.
func (r *run) socketArms(from socket) []arm {
	var arms []arm
	for _, u := range []use{useMapped, useOpen} {
		to := r.row("hit by the socket: " + u.name)
		to.Readers, to.bytes = 1, u.bytes
		arms = append(arms, arm{to, func(e int) error { return r.checked(u, r.reader, from, e) }})
	}
	return arms
}

// copyTo reads the set from the checkpoint into a tmpfs, nil for none, and into
// files on the drive, which are in the page cache then.
func (r *run) copyTo(set []int, plain *tmpfs, warm *folder) error {
	for _, e := range set {
		content, err := r.learn(e)
		if err != nil {
			return err
		}
		if plain != nil {
			if err := plain.add(e, content); err != nil {
				return err
			}
		}
		if err := warm.add(e, content); err != nil {
			return err
		}
	}
	return r.ctx.Err()
}

// hitSet chooses the experts for hits: random ones, that fit the budget
// together with room for others, and more than processors cache where possible.
func (r *run) hitSet() []int {
	n := r.Experts
	if n <= 0 {
		n = workingSet / r.m.size
	}
	n = max(1, min(n, r.m.total(), int(r.m.first.Cache.Budget/r.m.first.Cache.SlotBytes)*3/4))
	return r.order.Perm(r.m.total())[:n]
}

// use is one way of using an expert of a source.
type use struct {
	name  string
	bytes bool // reads the expert's bytes
	sums  bool // and returns their sum
	do    func(x *reader, s source, e int) (sum uint64, err error)
}

var (
	useMapped = use{"open, mmap, read all, close", true, true, (*reader).readMapped}
	usePread  = use{"open, pread, close", true, false, func(x *reader, s source, e int) (uint64, error) {
		return 0, x.pread(s, e, x.buf, nil)
	}}
	useBlocks = use{"open, pread by 1 MiB, close", true, false, func(x *reader, s source, e int) (uint64, error) {
		return 0, x.pread(s, e, x.block, nil)
	}}
	useOpen = use{"open, close", false, false, func(x *reader, s source, e int) (uint64, error) {
		return 0, x.openClose(s, e)
	}}
)

// checked uses an expert that has been learned, and compares the sum if there is one.
func (r *run) checked(u use, x *reader, s source, e int) error {
	sum, err := u.do(x, s, e)
	if err == nil && u.sums {
		err = r.right(e, sum)
	}
	return err
}

// load brings the set into RAM. A policy that remembers earlier use may evict it
// for what it holds dearer; then it is loaded under lru, which keeps what was used
// last. Experts in RAM survive a change of policy, so that the hits are measured
// under the mount's own.
func (r *run) load(set []int) error {
	if err := r.useAll(set); err != nil {
		return err
	}
	resident, err := r.m.resident()
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(set, func(e int) bool { return !resident[e] }) {
		return nil
	}
	own := r.m.first.Cache.Policy
	if err := r.m.setPolicy("lru"); err != nil {
		return err
	}
	r.note("hits: the experts were loaded under the policy lru, as %s would rather keep others", own)
	return errors.Join(r.useAll(set), r.m.setPolicy(own))
}

// useAll sees of each expert that its bytes are right, mapped and by pread: the
// latter are not looked at again when they are timed.
func (r *run) useAll(set []int) error {
	for _, e := range set {
		if err := r.checked(useMapped, r.reader, r.m, e); err != nil {
			return err
		}
		var sum uint64
		err := r.reader.pread(r.m, e, r.reader.block, func(part []byte) { sum += Sum(part) })
		if err != nil {
			return fmt.Errorf("%s: pread: %w", r.m.path(e), err)
		}
		if err := r.right(e, sum); err != nil {
			return err
		}
	}
	return r.ctx.Err()
}

// arm is one of the measures that take turns.
type arm struct {
	to *Measure
	do func(e int) error // is timed
}

// hitArms lists what is measured on hits. Plain may be nil.
func (r *run) hitArms(plain *tmpfs, warm *folder, child *echo) []arm {
	var arms []arm
	add := func(to *Measure, s source, u use) *Measure {
		to.Readers, to.bytes = 1, u.bytes
		arms = append(arms, arm{to, func(e int) error { return r.checked(u, r.reader, s, e) }})
		return to
	}
	for _, u := range []use{useMapped, usePread, useBlocks} {
		hit := add(r.row("hit: "+u.name), r.m, u)
		if plain != nil {
			hit.Limit = add(&Measure{Name: "plain tmpfs file"}, plain, u)
		}
	}
	hit := add(r.row("hit: "+useOpen.name), r.m, useOpen)
	if child != nil {
		hit.Limit = &Measure{Name: "round trip between two processes", Readers: 1}
		arms = append(arms, arm{hit.Limit, func(int) error { return child.roundTrip() }})
	}
	if plain != nil {
		add(r.row("plain tmpfs file: "+useOpen.name), plain, useOpen)
	}
	for _, u := range []use{useMapped, usePread, useBlocks} {
		add(r.row("plain file in page cache: "+u.name), warm, u)
	}
	return arms
}

// measureHits times the arms, which take turns expert by expert in a random
// order, so that what else the machine does meanwhile is done to all of them.
func (r *run) measureHits(set []int, arms []arm) error {
	before, err := r.m.report()
	if err != nil {
		return err
	}
	for range r.Rounds {
		for _, e := range r.shuffled(set) {
			for _, i := range r.order.Perm(len(arms)) {
				began := time.Now()
				if err := arms[i].do(e); err != nil {
					return fmt.Errorf("%s: %w", arms[i].to.Name, err)
				}
				arms[i].to.Times = append(arms[i].to.Times, time.Since(began))
			}
			if err := r.ctx.Err(); err != nil {
				return err
			}
		}
	}
	after, err := r.m.report()
	if err != nil {
		return err
	}
	if used := after.Cache.Uses.Sub(before.Cache.Uses); used.Hits != used.Total() {
		return fmt.Errorf("%d of the uses that were to be hits were none: is the mount in use, or its RAM budget too small?", used.Misses+used.Joins)
	}
	return nil
}
