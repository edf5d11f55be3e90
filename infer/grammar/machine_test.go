package grammar

import (
	"math/big"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPatterns compares machines with package regexp on random texts.
func TestPatterns(t *testing.T) {
	patterns := []string{
		"", "a", "^a", "a$", "^$", "^a$|b", "(^a|b)c*", "a(b$|c)", "^(a|b)*abb$", "(a+b?){2,3}c", "[^ab]", "^[^a]*$", ".", "^.{2}$",
		"a?b?c?$", "(ab|a)(bc|c)", "^(?:a|^b)c", "x*", "^(a$|b)", "[a-b]{3}|^c.*c$", "(?i)aB", "a{0}b", "^(a(b(c)?)?)?$", "\\x{62}[\\n-]", "(a|)+c",
	}
	rng := rand.New(rand.NewPCG(1, 12))
	for _, p := range patterns {
		m, err := patternMachine(newEffort(), p)
		require.NoError(t, err, p)
		other, err := m.complement(newEffort())
		require.NoError(t, err, p)
		re := regexp.MustCompile(p)
		for range 400 {
			var b strings.Builder
			for range rng.IntN(7) {
				b.WriteString(pick(rng, "a", "b", "c", "a", "b", "A", "é", "-"))
			}
			text := b.String()
			require.Equal(t, re.MatchString(text), m.matches(text), "%s on %q", p, text)
			require.Equal(t, !re.MatchString(text), other.matches(text), "not %s on %q", p, text)
		}
	}
}

// TestNumbers compares machines with exact arithmetic.
func TestNumbers(t *testing.T) {
	form := regexp.MustCompile(`^-?(0|[1-9][0-9]{0,16})(\.[0-9]{1,17})?$`)
	rng := rand.New(rand.NewPCG(2, 12))
	number := func() string {
		return pick(rng, "", "-") + pick(rng, "0", "1", "7", "10", "99", "100", "123", "12") + pick(rng, "", "", ".5", ".05", ".50", ".25", ".999", ".0", ".00")
	}
	rat := func(text string) *big.Rat {
		r, ok := new(big.Rat).SetString(text)
		require.True(t, ok, text)
		return r
	}
	for range 400 {
		var n numbers
		n.integer = rng.IntN(2) == 0
		var low, high, step string
		if rng.IntN(3) > 0 {
			low = number()
			d, err := parseDecimal(low)
			require.NoError(t, err)
			n.low = &bound{d, rng.IntN(2) == 0}
		}
		if rng.IntN(3) > 0 {
			high = number()
			d, err := parseDecimal(high)
			require.NoError(t, err)
			n.high = &bound{d, rng.IntN(2) == 0}
		}
		if rng.IntN(3) == 0 {
			step = pick(rng, "1", "2", "7", "0.5", "0.25", "0.01", "1.5", "10")
			d, err := parseDecimal(step)
			require.NoError(t, err)
			n.multiple = &d
		}
		m, err := n.machine(newEffort())
		require.NoError(t, err)
		for range 60 {
			text := number()
			if rng.IntN(4) == 0 {
				text += pick(rng, "0", "5", ".", "-", "e1")
			}
			want := form.MatchString(text)
			if want {
				v := rat(text)
				want = !(strings.HasPrefix(text, "-") && v.Sign() == 0)
				if n.integer {
					want = want && !strings.Contains(text, ".")
				}
				if low != "" {
					c := v.Cmp(rat(low))
					want = want && (c > 0 || c == 0 && !n.low.open)
				}
				if high != "" {
					c := v.Cmp(rat(high))
					want = want && (c < 0 || c == 0 && !n.high.open)
				}
				if step != "" {
					want = want && new(big.Rat).Quo(v, rat(step)).IsInt()
					_, part, _ := strings.Cut(text, ".")
					_, places, _ := strings.Cut(step, ".")
					want = want && len(part) <= len(places) // no more places than the step has
				}
			}
			require.Equal(t, want, m.matches(text), "%s: integer %v, low %s %v, high %s %v, step %s", text, n.integer, low, n.low, high, n.high, step)
		}
	}
}

// TestOtherThan tries all short texts.
func TestOtherThan(t *testing.T) {
	names := []string{"", "a", "ab", "ba", "bab"}
	m, err := otherThan(newEffort(), names)
	require.NoError(t, err)
	texts := []string{""}
	for n := 0; n < len(texts); n++ {
		text := texts[n]
		is := false
		for _, name := range names {
			is = is || name == text
		}
		require.Equal(t, !is, m.matches(text), text)
		if len(text) < 4 {
			texts = append(texts, text+"a", text+"b", text+"é")
		}
	}
}

// TestEncodings spells every character of random sets, and no other.
func TestEncodings(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 12))
	for range 25 {
		var ranges []runeRange
		for range 1 + rng.IntN(4) {
			lo := rune(rng.IntN(pick(rng, 0x100, 0x900, 0x11000, 0x110000)))
			ranges = append(ranges, runeRange{lo, lo + rune(rng.IntN(pick(rng, 3, 100, 70000)))})
		}
		set := setOf(ranges...).intersect(anyRune)
		var seqs [][]byteRange
		set.encodings(func(seq []byteRange) { seqs = append(seqs, seq) })
		negated := set.negate()
		spelled := func(r rune) (n int) {
			text := string(r)
			for _, seq := range seqs {
				fits := len(seq) == len(text)
				for i := 0; fits && i < len(seq); i++ {
					fits = text[i] >= seq[i].lo && text[i] <= seq[i].hi
				}
				if fits {
					n++
				}
			}
			return n
		}
		for r := rune(0); r <= 0x10FFFF; r += 1 + rune(rng.IntN(40)) {
			if r >= 0xD800 && r < 0xE000 {
				continue
			}
			want := 0
			if set.has(r) {
				want = 1
			}
			if spelled(r) != want || negated.has(r) != (want == 0) {
				require.Fail(t, "wrong spelling", "%x in %v", r, set)
			}
		}
	}
}
