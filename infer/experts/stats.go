package experts

import "time"

// Stats are counters since a store was opened.
type Stats struct {
	Waited      time.Duration // in which Next waited
	Used        int64         // experts asked for
	Opened      int64         // of these, opened; the others were still mapped
	BySocket    int64         // of those opened, by the mount's socket; the others were opened as files
	OpenedBytes int64
	Kept        int64                  // bytes of experts that are mapped and not in use, now, in whole pages
	HintsLost   int                    // writes of hints that the mount did not take
	Prediction  []Accuracy             // of the experts of each layer; nothing is predicted for the first
	Ahead       [MaxAhead + 1]Accuracy // the same by how many layers ahead they were predicted
}

// Sub returns what was counted since the earlier state o.
func (s Stats) Sub(o Stats) Stats {
	d := Stats{
		Waited: s.Waited - o.Waited, Used: s.Used - o.Used, Opened: s.Opened - o.Opened,
		BySocket: s.BySocket - o.BySocket, OpenedBytes: s.OpenedBytes - o.OpenedBytes, Kept: s.Kept, HintsLost: s.HintsLost - o.HintsLost,
	}
	for l, p := range s.Prediction {
		if l < len(o.Prediction) {
			p = p.Sub(o.Prediction[l])
		}
		d.Prediction = append(d.Prediction, p)
	}
	for ahead, p := range s.Ahead {
		d.Ahead[ahead] = p.Sub(o.Ahead[ahead])
	}
	return d
}
