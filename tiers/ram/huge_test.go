package ram

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLargeSlotsAreMappedByHugePages(t *testing.T) {
	tier, err := Open(Options{})
	require.NoError(t, err)
	defer tier.Close()
	if m, why := tier.Mechanism(); m != HugeTmpfs {
		t.Skip("no huge pages: ", why)
	}
	s, err := tier.NewSlot(13_240_576)
	require.NoError(t, err)
	defer s.Close()
	clear(s.Bytes())
	kib := hugeKiB(t, &s.Bytes()[0])
	if kib == 0 {
		t.Skip("the system has no huge page to spare")
	}
	require.LessOrEqual(t, kib, 6*2048, "only whole huge pages within the file")
	t.Logf("%d of %d KiB by huge pages", kib, s.Size()>>10)
}

// hugeKiB returns how much of the mapping that begins at first is mapped by
// huge pages.
func hugeKiB(t *testing.T, first *byte) int {
	smaps, err := os.ReadFile("/proc/self/smaps")
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(smaps), strings.TrimPrefix(fmt.Sprintf("%p-", first), "0x"))
	require.True(t, ok)
	var kib int
	for line := range strings.Lines(rest) {
		if n, _ := fmt.Sscanf(line, "ShmemPmdMapped: %d kB", &kib); n == 1 {
			return kib
		}
	}
	t.Fatal("smaps says nothing of huge pages")
	return 0
}
