package tiers

import (
	"slices"

	"expertfs"
	"expertfs/tiers/nvme"
)

// A reader that announces its steps tells what it is about to open. The mount begins
// to read at once what RAM lacks of that, as a demand, and not when the opens arrive.
//
// What an announcement does is what the opens would do, in the order in which the
// step names the experts: residents are touched, the others get their places, and the
// policy is told of both. So the victims are those that a replay chooses, whatever the
// order in which the opens come and the loads end. What is counted is the uses: they
// come with the opens, and cost a miss if the announcement had to begin a load, also
// where that has ended before.
//
// An expert that is announced and not opened is an ordinary resident, spared until its
// reader's next step as all of a step are. Nobody waits for its load. So such a load
// takes nothing that is in the way: it does not overtake the wait queue, it evicts
// nothing of the steps in progress, and each reader has loads for one token under way
// at most. Where it finds no place the open looks for one, as without announcement.
//
//	stream.told    experts of the present step of which the policy has been told
//	stream.ahead   loads under way that an announcement began and no open has joined
//	entry.due      the load of an expert was for an announcement, its miss is to be counted
//	load.told      the policy takes the expert of a load for resident

// foresee does what the opens of an announced step will do, as far as there is room.
func (c *Cache) foresee(s *stream, keys []expertfs.Key) {
	for _, k := range keys {
		e := c.table.expert(k)
		switch {
		case e == nil || e.load != nil && e.load.class == nvme.Demand:
			continue // its use is a join
		case e.slot != nil:
			c.evictor.policy.Touch(k)
		case !c.loader.foresee(s, e, c.shape.TopK):
			// The rest goes in the order of opens.
			c.observer.foreseen(s)
			return
		}
		s.told = append(s.told, k)
	}
	c.observer.foreseen(s)
}

// foresee begins the load of an absent expert of which the use is announced, or
// promotes its prefetch. It does not where there is no place, or where most such loads
// of the reader are under way.
func (d *loader) foresee(s *stream, e *entry, most int) bool {
	if s.ahead >= most || len(d.queue) > 0 {
		return false
	}
	l := e.load
	if l != nil {
		d.promote(l)
	} else {
		slot, ok := d.place(d.evictor.victimBeside)
		if !ok {
			return false
		}
		l = newLoad(e, nvme.Demand)
		l.slot, l.deadline = slot, l.began.Add(d.maxWait)
		d.launch(l)
	}
	l.ahead, l.told, e.due = s, true, true
	s.ahead++
	d.evictor.admit(e)
	return true
}

// taken has an open, or the end of a load, take the load over from the announcement
// that began it, if one did.
func (l *load) taken() {
	if l.ahead != nil {
		l.ahead.ahead--
		l.ahead = nil
	}
}

// victimBeside returns the best victim outside of the steps in progress.
func (v *evictor) victimBeside() *entry {
	e := v.victim()
	if e == nil || v.streams.steps.Active(e.key) {
		return nil
	}
	return e
}

// takeTold tells whether the policy has been told of a use that comes now.
func (s *stream) takeTold(k expertfs.Key) bool {
	i := slices.Index(s.told, k)
	if i < 0 {
		return false
	}
	s.told = slices.Delete(s.told, i, i+1)
	return true
}

// takeDue tells whether a use is the one for which a miss is to be counted.
func (e *entry) takeDue() (was bool) {
	was, e.due = e.due, false
	return was
}
