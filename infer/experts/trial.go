package experts

import "time"

// trial finds out whether hints about predictions make tokens faster here: a right
// one saves time only while the drive and the memory have some to spare. It runs a
// number of tokens with hints and as many without them, twice, keeps what was
// faster for a while, and then tries again.
type trial struct {
	token int              // in the present round
	spent [2]time.Duration // without and with hints
	on    bool             // what the last round found
}

const (
	trialStretch = 16   // tokens of one kind in a row
	trialTokens  = 64   // of a trial: four stretches
	trialKept    = 1024 // tokens for which its result holds
	trialSettle  = 4    // first tokens of a stretch, which still feel the one before
)

// hints tells whether the next token is to send hints.
func (t *trial) hints() bool {
	if t.token < trialTokens {
		return t.stretchHints() == 1
	}
	return t.on
}

// stretchHints is 1 in stretches with hints, the first and the last of a trial: so
// a cache that gets better all the while favours neither kind.
func (t *trial) stretchHints() int {
	if s := t.token / trialStretch; s == 0 || s == 3 {
		return 1
	}
	return 0
}

// took records the time of one token.
func (t *trial) took(d time.Duration) {
	if t.token < trialTokens && t.token%trialStretch >= trialSettle {
		t.spent[t.stretchHints()] += d
	}
	t.token++
	switch t.token {
	case trialTokens:
		t.on = t.spent[1] < t.spent[0]
	case trialTokens + trialKept:
		*t = trial{on: t.on}
	}
}
