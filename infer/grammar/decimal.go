package grammar

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// decimal is a number in digits. Zero is not negative.
type decimal struct {
	negative bool
	whole    string // digits before the point, no zeros in front; "0" if none
	part     string // digits behind the point, no zeros at the end
}

// maxExponent bounds the exponents of numbers in schemas, whose digits are
// written out.
const maxExponent = 400

// parseDecimal reads a JSON number.
func parseDecimal(text string) (decimal, error) {
	digits, negative := strings.CutPrefix(text, "-")
	exponent := 0
	if i := strings.IndexAny(digits, "eE"); i >= 0 {
		e, err := strconv.Atoi(digits[i+1:])
		if err != nil || e > maxExponent || e < -maxExponent {
			return decimal{}, fmt.Errorf("%s: the exponent is beyond %d", text, maxExponent)
		}
		digits, exponent = digits[:i], e
	}
	whole, part, _ := strings.Cut(digits, ".")
	if len(digits) > maxExponent {
		return decimal{}, fmt.Errorf("a number of more than %d digits", maxExponent)
	}
	if exponent > 0 {
		part += strings.Repeat("0", max(0, exponent-len(part)))
		whole, part = whole+part[:exponent], part[exponent:]
	} else if exponent < 0 {
		whole = strings.Repeat("0", max(0, -exponent-len(whole))) + whole
		at := len(whole) + exponent
		whole, part = whole[:at], whole[at:]+part
	}
	d := decimal{negative, strings.TrimLeft(whole, "0"), strings.TrimRight(part, "0")}
	if d.whole == "" {
		d.whole = "0"
	}
	if d.whole == "0" && d.part == "" {
		d.negative = false
	}
	return d, nil
}

// compare returns -1, 0 or 1 as d is less than, equal to or more than e.
func (d decimal) compare(e decimal) int {
	if d.negative != e.negative {
		if d.negative {
			return -1
		}
		return 1
	}
	c := cmp.Or(cmp.Compare(len(d.whole), len(e.whole)), strings.Compare(d.whole, e.whole), strings.Compare(d.part, e.part))
	if d.negative {
		return -c
	}
	return c
}

// isInteger tells whether d has no fraction.
func (d decimal) isInteger() bool { return d.part == "" }

// bound is an end of a range of numbers.
type bound struct {
	decimal
	open bool // the number itself is outside
}
