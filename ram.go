package expertfs

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// sizeUnits are the units of FormatSize, each 1024 times the one before, and
// the letters that begin the other units.
var (
	sizeUnits   = []string{"", "KiB", "MiB", "GiB", "TiB"}
	sizeLetters = "kmgtpe"
)

// FormatSize writes a number of bytes so that ParseSize gives it back: in the
// largest binary unit that divides it ("6GiB", "1536MiB", "13240576").
func FormatSize(n int64) string {
	i := 0
	for n != 0 && n%1024 == 0 && i < len(sizeUnits)-1 {
		n /= 1024
		i++
	}
	return strconv.FormatInt(n, 10) + sizeUnits[i]
}

// ParseSize reads a number of bytes: plain ("6442450944"), or with a unit
// ("6GiB", "6 GB", "1.5Gi", "512M"), in capitals or not. K, KB and the like are
// powers of 1000, Ki, KiB and the like powers of 1024. A fraction of a byte is
// dropped.
//
// RAMFile holds one size, as FormatSize writes it, and a newline: the budget. Whoever
// may write to it changes that, to a size as here or to a percentage ("40%") of the
// memory that the server may use; "auto" has it follow the memory that others leave.
func ParseSize(text string) (int64, error) {
	text = strings.TrimSpace(text)
	at := strings.IndexFunc(text, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if at < 0 {
		at = len(text)
	}
	unit, known := sizeUnit(strings.TrimSpace(text[at:]))
	whole, fraction, _ := strings.Cut(text[:at], ".")
	n, err := strconv.ParseInt("0"+whole, 10, 64)
	if !known || err != nil || whole+fraction == "" || strings.Contains(fraction, ".") || n > math.MaxInt64/unit {
		return 0, fmt.Errorf("size %q: want bytes or a size like 6GiB", shorten(text))
	}
	n *= unit
	part, err := strconv.ParseFloat("0."+fraction, 64) // at most 1, after rounding
	more := int64(part * float64(unit))
	if err != nil || more > math.MaxInt64-n {
		return 0, fmt.Errorf("size %q: want bytes or a size like 6GiB", shorten(text))
	}
	return n + more, nil
}

// sizeUnit is the number of bytes that a unit stands for.
func sizeUnit(name string) (bytes int64, known bool) {
	name = strings.TrimSuffix(strings.ToLower(name), "b")
	letter, binary := strings.CutSuffix(name, "i")
	if letter == "" {
		return 1, !binary
	}
	power := strings.Index(sizeLetters, letter) + 1
	if len(letter) != 1 || power == 0 {
		return 0, false
	}
	base := int64(1000)
	if binary {
		base = 1024
	}
	for bytes = 1; power > 0; power-- {
		bytes *= base
	}
	return bytes, true
}

// shorten bounds what an error quotes of something that may be of any length.
func shorten(text string) string {
	const most = 40
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}
