package budget

import (
	"fmt"
	"strconv"
	"strings"

	"expertfs"
)

const mebi = 1 << 20

// Parse reads a size, as expertfs.ParseSize does, or a percentage ("40%") of the
// memory that this process may use, rounded down to whole MiB, which are pleasant
// to read.
func Parse(s string) (int64, error) {
	s = strings.TrimSpace(s)
	if number, ok := strings.CutSuffix(s, "%"); ok {
		percent, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || !(percent > 0 && percent <= 100) {
			return 0, fmt.Errorf("size %q: a percentage lies above 0%% and up to 100%%", s)
		}
		memory, err := Memory()
		if err != nil {
			return 0, fmt.Errorf("size %q: %w", s, err)
		}
		n := int64(float64(memory) * percent / 100)
		return max(n/mebi*mebi, min(n, mebi)), nil
	}
	n, err := expertfs.ParseSize(s)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("size %q: want bytes, a size like 6GiB, or a percentage of memory like 40%%", s)
	}
	return n, nil
}
