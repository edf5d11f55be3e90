package server

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"expertfs/infer/harmony"

	"github.com/stretchr/testify/require"
)

// Results stand behind their calls, as if each had been put in its place when it
// came.
func TestResultsStandBehindTheirCalls(t *testing.T) {
	type call struct {
		id, name string
		results  int
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		c := newConversation()
		var want []string // what stands where
		var calls []*call // those before it
		at := make(map[*call]int)
		for step := range 20 {
			id, name := []string{"", "a", "b"}[r.IntN(3)], []string{"f", "g"}[r.IntN(2)]
			text := fmt.Sprint(step)
			switch r.IntN(4) {
			case 0:
				c.user("", text)
				want = append(want, "user "+text)
			case 1:
				one := &call{id: id, name: name}
				calls, at[one] = append(calls, one), len(want)
				c.call(id, name, text)
				want = append(want, "call "+text)
			default:
				if r.IntN(2) == 0 {
					name = ""
				}
				var found *call
				for _, one := range calls {
					if id != "" && one.id != id || id == "" && name != "" && one.name != name || found != nil && found.results == 0 {
						continue
					}
					found = one
				}
				err := c.result("here", id, name, text)
				if found == nil && (id != "" || name == "") {
					require.ErrorContains(t, err, "here: there is no call")
					continue
				}
				require.NoError(t, err)
				place := len(want)
				if found != nil {
					found.results++
					name, place = found.name, at[found]+found.results
				}
				want = slices.Insert(want, place, "tool "+text+" of "+name)
				for one := range at {
					if at[one] >= place {
						at[one]++
					}
				}
			}
		}
		var got []string
		for _, m := range c.withResults() {
			switch {
			case m.Role == harmony.Tool:
				got = append(got, "tool "+m.Content+" of "+harmony.FunctionName(m.Name))
			case m.Recipient != "":
				got = append(got, "call "+m.Content)
			default:
				got = append(got, "user "+m.Content)
			}
		}
		require.Equal(t, want, got)
	}
}

// BenchmarkManyCalls should take a time per call that does not grow with their
// number.
func BenchmarkManyCalls(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				c := newConversation()
				for i := range n {
					c.call(fmt.Sprint(i), "f", "{}")
				}
				for i := range n {
					if err := c.result("", fmt.Sprint(i), "", "x"); err != nil {
						b.Fatal(err)
					}
				}
				c.withResults()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/call")
		})
	}
}
