package grammar

import "strconv"

// numbers is the numbers that a schema asks for.
type numbers struct {
	integer  bool
	low      *bound // nil without
	high     *bound
	multiple *decimal // nil without
}

// free tells whether any number will do.
func (n numbers) free() bool { return n.low == nil && n.high == nil && n.multiple == nil }

// digitState is how far a number has been written. Its magnitude is compared
// with the ends of its range as its digits come.
type digitState struct {
	phase     phase
	negative  bool
	digits    int  // of this part so far
	low, high int8 // how the digits so far compare with the bound's
	remainder int  // of the digits so far by the multiple's
}

type phase uint8

const (
	beforeSign phase = iota
	beforeDigits
	inWhole
	inZero // a whole part that is 0
	afterPoint
	inPart
)

// machine returns the machine of these numbers, without exponents and zeros in
// front.
func (n numbers) machine(w *effort) (*machine, error) {
	modulus, places := 1, 0
	if n.multiple != nil {
		var err error
		if modulus, err = strconv.Atoi(n.multiple.whole + n.multiple.part); err != nil || modulus > maxMachine {
			return nil, errMachine
		}
		places = len(n.multiple.part)
	}
	maxPart := maxDigits
	if n.integer {
		maxPart = 0
	} else if n.multiple != nil {
		maxPart = places
	}
	return explore(w, digitState{}, func(s digitState, x *explorer[digitState]) bool {
		low, high, ok := n.magnitude(s.negative)
		if !ok {
			if s.phase == beforeSign {
				x.edge(runeSet{{'-', '-'}}, digitState{phase: beforeDigits, negative: true})
			}
			return false
		}
		digit := func(d byte, next phase) {
			t := s
			t.phase, t.digits = next, s.digits+1
			if next == inPart && s.phase != inPart {
				t.digits = 1
			}
			t.low = compareDigit(s.low, low, d, t)
			t.high = compareDigit(s.high, high, d, t)
			t.remainder = (s.remainder*10 + int(d-'0')) % modulus
			x.edge(runeSet{{rune(d), rune(d)}}, t)
		}
		maxWhole := maxDigits
		if low != nil {
			maxWhole = max(maxWhole, len(low.whole))
		}
		switch s.phase {
		case beforeSign:
			x.edge(runeSet{{'-', '-'}}, digitState{phase: beforeDigits, negative: true})
			fallthrough
		case beforeDigits:
			digit('0', inZero)
			for d := byte('1'); d <= '9'; d++ {
				digit(d, inWhole)
			}
			return false
		case inWhole, inZero:
			if s.phase == inWhole && s.digits < maxWhole {
				for d := byte('0'); d <= '9'; d++ {
					digit(d, inWhole)
				}
			}
			if maxPart > 0 {
				t := s
				t.phase, t.digits = afterPoint, 0
				t.low, t.high = compareWhole(s.low, low, s.digits), compareWhole(s.high, high, s.digits)
				x.edge(runeSet{{'.', '.'}}, t)
			}
		case afterPoint, inPart:
			if s.digits < maxPart {
				for d := byte('0'); d <= '9'; d++ {
					digit(d, inPart)
				}
			}
			if s.phase == afterPoint {
				return false
			}
		}
		// The number may end here if it lies in the range.
		part, cLow, cHigh := s.digits, s.low, s.high
		if s.phase != inPart {
			part = 0
			cLow, cHigh = compareWhole(s.low, low, s.digits), compareWhole(s.high, high, s.digits)
		}
		cLow, cHigh = compareEnd(cLow, low, part), compareEnd(cHigh, high, part)
		if low != nil && (cLow < 0 || cLow == 0 && low.open) || high != nil && (cHigh > 0 || cHigh == 0 && high.open) {
			return false
		}
		r := s.remainder
		for range places - part {
			r = r * 10 % modulus
		}
		return r == 0
	})
}

// magnitude returns the range of the digits behind a sign, and whether there
// are any. There is no negative zero.
func (n numbers) magnitude(negative bool) (low, high *bound, ok bool) {
	if !negative {
		if n.high != nil && n.high.negative {
			return nil, nil, false
		}
		if n.low != nil && n.low.negative {
			return nil, n.high, true
		}
		return n.low, n.high, true
	}
	if n.low != nil && !n.low.negative {
		return nil, nil, false
	}
	low = &bound{decimal{whole: "0"}, true}
	if n.high != nil && n.high.negative {
		low = n.high
	}
	return low, n.low, true
}

// compareDigit continues the comparison c of digits with those of a bound by
// digit d, after which the state is t.
func compareDigit(c int8, b *bound, d byte, t digitState) int8 {
	if b == nil || c != 0 {
		return c
	}
	digits := b.whole
	if t.phase == inPart {
		digits = b.part
	}
	other := byte('0')
	if t.digits <= len(digits) {
		other = digits[t.digits-1]
	} else if t.phase != inPart {
		return 0 // the lengths will decide
	}
	switch {
	case d < other:
		return -1
	case d > other:
		return 1
	}
	return 0
}

// compareWhole is the comparison when the whole part has ended after n digits.
func compareWhole(c int8, b *bound, n int) int8 {
	switch {
	case b == nil:
		return 0
	case n < len(b.whole):
		return -1
	case n > len(b.whole):
		return 1
	}
	return c
}

// compareEnd is the comparison when the number has ended after n digits behind
// the point.
func compareEnd(c int8, b *bound, n int) int8 {
	if b != nil && c == 0 && n < len(b.part) {
		return -1
	}
	return c
}
