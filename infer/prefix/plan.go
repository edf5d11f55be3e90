package prefix

// interval is about how many tokens a segment has where nothing else ends it. Of
// gpt-oss-20b such a segment takes 12 MiB for its tokens and 3 MiB for its end; a
// text that leaves it in its midst has 256 tokens on average to compute again.
const interval = 512

// plan says where the segments of a text end.
type plan struct {
	window     int   // segments as short reach everywhere
	boundaries []int // where messages begin, and where the prompt ends
}

// newPlan returns the plan of a prompt in which messages begin with the token
// start.
func newPlan(window int, prompt []int, start int) plan {
	p := plan{window: window}
	for i, t := range prompt {
		if t == start && i > 0 {
			p.boundaries = append(p.boundaries, i)
		}
	}
	p.boundaries = append(p.boundaries, len(prompt))
	return p
}

// next is where a segment ends that begins at from. Boundaries within a window make
// one segment. Without a boundary the end is a multiple of the interval, so that
// texts that share more than they share segments of meet again.
func (p *plan) next(from int) int {
	for len(p.boundaries) > 0 && p.boundaries[0] <= from {
		p.boundaries = p.boundaries[1:]
	}
	most := ((from+interval/2)/interval + 1) * interval
	end := most
	for i, b := range p.boundaries {
		if b > most || i > 0 && b-from > p.window {
			break
		}
		end = b
	}
	return end
}
