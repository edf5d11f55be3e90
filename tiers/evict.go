package tiers

import (
	"expertfs/policy"
	"expertfs/tiers/ram"
)

// evictor chooses which residents leave: the policy orders them, and what is
// pinned, mapped, or about to be used is passed over.
type evictor struct {
	table   *table
	streams *streams
	stats   *observer

	// GUARDED BY guard.
	policy  policy.Policy
	spec    string
	learned policy.Learned // by an earlier run, or by the last policy that could
	bytes   int64          // of a slot
}

// admit tells the policy of a new resident.
func (v *evictor) admit(e *entry) { v.policy.Insert(e.key, v.bytes) }

// victims returns up to n residents that can be evicted, the best first: those
// without handles that no process maps. Prefetched ones that are soon to be
// used come late, because the policy often thinks little of them, not knowing
// what made them likely; after them only the experts of the steps in progress.
func (v *evictor) victims(n int) []*entry {
	n = min(n, v.table.residents-v.table.pinned)
	if n <= 0 {
		return nil
	}
	found := make([]*entry, 0, n)
	var unproved, active []*entry
	for k := range v.streams.steps.Victims(v.policy) {
		e := v.table.expert(k)
		switch {
		case e.slot == nil: // on its way, see announced.go
		case e.pins > 0:
		case e.wantedSoon():
			unproved = append(unproved, e)
		case v.streams.steps.Active(k):
			active = append(active, e)
		case e.slot.Idle():
			if found = append(found, e); len(found) == n {
				return found
			}
		}
	}
	for _, e := range append(unproved, active...) {
		if len(found) < n && e.slot.Idle() {
			found = append(found, e)
		}
	}
	return found
}

// victim returns the best victim, nil when every resident is pinned or mapped.
func (v *evictor) victim() *entry {
	if found := v.victims(1); len(found) > 0 {
		return found[0]
	}
	return nil
}

// victimBelow returns the best victim if it is worth less than a prefetch that
// comes true with some chance, and not about to be used itself.
func (v *evictor) victimBelow(chance float64) *entry {
	e := v.victim()
	if e == nil || v.streams.steps.Active(e.key) || e.wantedSoon() {
		return nil
	}
	if valuer, ok := v.policy.(policy.Valuer); ok && valuer.Value(e.key) >= chance {
		return nil
	}
	return e
}

// evict makes a resident absent and returns its slot. The caller has found it
// to be neither pinned nor mapped, and has kept the lock since.
func (v *evictor) evict(e *entry) *ram.Slot {
	v.policy.Remove(e.key)
	v.stats.evicted(e)
	e.wants, e.due = nil, false
	return v.table.remove(e)
}

// known is what the policy has learned, or the last one that could.
func (v *evictor) known() policy.Learned {
	if l, ok := v.policy.(policy.Learner); ok {
		return l.Learned()
	}
	return v.learned
}

// use puts another policy in charge, which goes on from what is known. It has
// been told of nobody yet.
func (v *evictor) use(p policy.Policy, spec string, heat *policy.Heat) {
	v.learned = v.known()
	if l, ok := p.(policy.Learner); ok {
		l.Adopt(v.learned)
		v.learned = policy.Learned{}
	}
	if w, ok := p.(policy.Warmer); ok {
		w.Warm(heat)
	}
	for _, e := range v.table.byUse() {
		p.Insert(e.key, v.bytes)
	}
	for e := range v.table.told {
		p.Insert(e.key, v.bytes)
	}
	v.policy, v.spec = p, spec
}
