package infer

import "time"

// Stats are counters since the engine was opened.
type Stats struct {
	Tokens      int           // run through the model
	Elapsed     time.Duration // of all of Append
	Waited      time.Duration // part of it in which nothing could be computed, for want of an expert
	Used        int64         // experts used, each once per layer and batch
	Opened      int64         // of these, opened; the others were still mapped
	OpenedBytes int64
	HintsLost   int                   // writes of hints that the mount did not take
	Prediction  []Prediction          // of the experts of each layer; nothing is guessed for the first
	Ahead       [looks + 1]Prediction // the same by how many layers ahead they were guessed
}

// Sub returns what was counted since the earlier state o.
func (s Stats) Sub(o Stats) Stats {
	d := Stats{
		Tokens: s.Tokens - o.Tokens, Elapsed: s.Elapsed - o.Elapsed, Waited: s.Waited - o.Waited,
		Used: s.Used - o.Used, Opened: s.Opened - o.Opened, OpenedBytes: s.OpenedBytes - o.OpenedBytes,
		HintsLost: s.HintsLost - o.HintsLost,
	}
	for l, p := range s.Prediction {
		if l < len(o.Prediction) {
			q := o.Prediction[l]
			p = p.sub(q)
		}
		d.Prediction = append(d.Prediction, p)
	}
	for ahead, p := range s.Ahead {
		d.Ahead[ahead] = p.sub(o.Ahead[ahead])
	}
	return d
}
