package diskcache

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The set of ranges behaves as a set of bytes does.
func TestExtentsAreASetOfBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const size = 40
		var s extents
		var model [size]bool
		ranges := rapid.Custom(func(t *rapid.T) extent {
			lo := rapid.Int64Range(0, size).Draw(t, "lo")
			return extent{lo, rapid.Int64Range(lo, size).Draw(t, "hi")}
		})
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			e, add := ranges.Draw(t, "range"), rapid.Bool().Draw(t, "add")
			changed := int64(0)
			for i := e.lo; i < e.hi; i++ {
				if model[i] != add {
					changed++
				}
				model[i] = add
			}
			if add {
				require.Equal(t, changed, s.add(e))
			} else {
				require.Equal(t, changed, s.remove(e))
			}
			var is [size]bool
			for i, e := range s {
				require.Positive(t, e.len())
				if i > 0 {
					require.Greater(t, e.lo, s[i-1].hi, "joined where they touch")
				}
				for j := e.lo; j < e.hi; j++ {
					is[j] = true
				}
			}
			require.Equal(t, model, is)
			q := ranges.Draw(t, "question")
			require.Equal(t, !slices.Contains(model[q.lo:q.hi], false), s.covers(q))
			missing := extents{}
			for _, g := range s.gaps(q) {
				require.Positive(t, g.len())
				missing.add(g)
			}
			for i := range int64(size) {
				require.Equal(t, i >= q.lo && i < q.hi && !model[i], missing.covers(extent{i, i + 1}), i)
			}
		}
	})
}

func TestWholeBlocks(t *testing.T) {
	require.Equal(t, extent{4096, 8192}, extent{4097, 5000}.outside(1<<20))
	require.Equal(t, extent{4096, 5001}, extent{4097, 5000}.outside(5001))
	require.Equal(t, extent{8192, 12288}, extent{4097, 16383}.inside())
	require.Zero(t, extent{4097, 5000}.inside().len())
}

// A journal that was cut short anywhere tells what was written before.
func TestAJournalCutShortIsReadAsFar(t *testing.T) {
	records := []record{
		{false, "a b\n", extent{0, 4096}}, {false, "original/x", extent{4096, 9000}}, {true, "a b\n", extent{0, 10}},
	}
	text := []byte(journalHead)
	ends := []int{len(text)}
	for _, r := range records {
		text = r.append(text)
		ends = append(ends, len(text))
	}
	for n := len(journalHead); n <= len(text); n++ {
		got, good, err := parseJournal(text[:n])
		require.NoError(t, err)
		want := 0
		for want+1 < len(ends) && ends[want+1] <= n {
			want++
		}
		require.Len(t, got, want)
		require.Equal(t, ends[want], good)
		require.ElementsMatch(t, records[:want], got)
	}
	for i := range len(text) {
		bad := slices.Clone(text)
		bad[i] ^= 1
		got, _, err := parseJournal(bad)
		if i == len(text)-1 { // the end of a line that is cut short
			require.NoError(t, err)
			require.Len(t, got, len(records)-1)
		} else {
			require.Error(t, err, i)
		}
	}
}

func FuzzJournal(f *testing.F) {
	f.Add([]byte(journalHead + "+ 0 4096 \"x\" 00000000\n"))
	f.Add(record{false, "x", extent{0, 5}}.append([]byte(journalHead)))
	f.Fuzz(func(t *testing.T, text []byte) {
		records, good, err := parseJournal(text)
		if err != nil {
			return
		}
		again, _, err := parseJournal(text[:good])
		require.NoError(t, err)
		require.Equal(t, records, again)
		replay(records)
	})
}
