package expertfs_test

import (
	"math"
	"strings"
	"testing"

	"expertfs"

	"github.com/stretchr/testify/require"
)

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0":                      0,
		"13240576":               13240576,
		" 6 GiB\n":               6 << 30,
		"6gib":                   6 << 30,
		"6GB":                    6e9,
		"6G":                     6e9,
		"6Gi":                    6 << 30,
		"7b":                     7,
		"512k":                   512e3,
		"1.5GiB":                 3 << 29,
		".5KiB":                  512,
		"1.KB":                   1000,
		"0.1B":                   0,
		"1E":                     1e18,
		"007":                    7,
		"9223372036854775807":    math.MaxInt64,
		"9223372036854775.807KB": math.MaxInt64,
	} {
		got, err := expertfs.ParseSize(text)
		require.NoError(t, err, text)
		require.InEpsilon(t, want+1, got+1, 1e-15, text)
	}
	for _, text := range []string{"", ".", "B", "GiB", "-1", "+1", "six", "6GiBs", "6 i", "6iB", "6bb", "6BiB", "6X", "1.2.3", "1,000", "1e3", "0x10", "NaN",
		"99999999999GiB", "9223372036854775808", "8EiB", "7.9999999999999999999EiB", "6\x00", strings.Repeat("9", 1<<20)} {
		_, err := expertfs.ParseSize(text)
		require.Error(t, err, "%.50s", text)
		require.Less(t, len(err.Error()), 200)
	}
}

func TestFormatSize(t *testing.T) {
	require.Equal(t, "6GiB", expertfs.FormatSize(6<<30))
	require.Equal(t, "1536MiB", expertfs.FormatSize(3<<29))
	require.Equal(t, "13240577", expertfs.FormatSize(13240577))
	require.Equal(t, "0", expertfs.FormatSize(0))
}

func FuzzSize(f *testing.F) {
	for _, n := range []int64{0, 1, 1023, 6 << 30, 3 << 29, 13240577, math.MaxInt64} {
		f.Add(n, expertfs.FormatSize(n))
	}
	f.Add(int64(1), "1.5 GiB")
	f.Fuzz(func(t *testing.T, n int64, text string) {
		if read, err := expertfs.ParseSize(text); err == nil {
			require.GreaterOrEqual(t, read, int64(0))
		}
		if n < 0 {
			return
		}
		back, err := expertfs.ParseSize(expertfs.FormatSize(n))
		require.NoError(t, err)
		require.Equal(t, n, back)
	})
}
