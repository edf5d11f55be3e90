package bench

import (
	"errors"
	"fmt"
	"slices"
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
	r.note("hits: %d experts (%d MB), each read before, in RAM; page cache files written before", len(set), len(set)*r.m.size/1e6)
	return r.measureHits(set, plain, warm)
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
	do    func(r *run, x *reader, s source, e int) error
}

var (
	useMapped = use{"open, mmap, read all, close", true, func(r *run, x *reader, s source, e int) error {
		sum, err := x.readMapped(s, e)
		if err != nil {
			return err
		}
		return r.right(e, sum)
	}}
	usePread = use{"open, pread, close", true, func(_ *run, x *reader, s source, e int) error { return x.pread(s, e) }}
	useOpen  = use{"open, close", false, func(_ *run, x *reader, s source, e int) error { return x.openClose(s, e) }}
)

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

// useAll uses each expert once, and sees that the bytes are right.
func (r *run) useAll(set []int) error {
	for _, e := range set {
		if err := useMapped.do(r, r.reader, r.m, e); err != nil {
			return err
		}
	}
	return r.ctx.Err()
}

func (r *run) measureHits(set []int, plain *tmpfs, warm *folder) error {
	type arm struct {
		source source
		use    use
		to     *Measure
	}
	var arms []arm
	for _, u := range []use{useMapped, usePread, useOpen} {
		hit := &Measure{Name: "hit: " + u.name, Readers: 1, bytes: u.bytes}
		arms = append(arms, arm{r.m, u, hit})
		if plain != nil {
			hit.Limit = &Measure{Name: "plain tmpfs file", Readers: 1, bytes: u.bytes}
			arms = append(arms, arm{plain, u, hit.Limit})
		}
		r.result.Measures = append(r.result.Measures, hit)
	}
	for _, u := range []use{useMapped, usePread} {
		cached := &Measure{Name: "plain file in page cache: " + u.name, Readers: 1, bytes: true}
		arms = append(arms, arm{warm, u, cached})
		r.result.Measures = append(r.result.Measures, cached)
	}
	if err := r.load(set); err != nil {
		return err
	}
	before, err := r.m.report()
	if err != nil {
		return err
	}
	for range r.Rounds {
		for _, e := range r.shuffled(set) {
			// The arms take turns expert by expert, so that what else the
			// machine does meanwhile is done to all of them.
			for _, a := range arms {
				err := readers{r.reader}.round(r.ctx, []int{e}, a.to, func(x *reader, e int) error { return a.use.do(r, x, a.source, e) })
				if err != nil {
					return fmt.Errorf("%s: %w", a.to.Name, err)
				}
			}
		}
	}
	after, err := r.m.report()
	if err != nil {
		return err
	}
	if missed := after.Cache.Misses + after.Cache.Joins - before.Cache.Misses - before.Cache.Joins; missed != 0 {
		return fmt.Errorf("%d of the uses that were to be hits were none: is the mount in use, or its RAM budget too small?", missed)
	}
	return nil
}
