package budget

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

const gibi = 1 << 30

func TestDemandOfAControlGroup(t *testing.T) {
	m := memory{total: 16 * gibi, group: 300 * mebi}
	for _, c := range []struct {
		d    Demand
		want string
	}{
		{Demand{Budget: 600 * mebi, Experts: 10 * gibi}, "600 MiB of experts and 64 MiB for the server are more than the 300 MiB that its control group may use, which would have it killed: a budget of 236MiB fits"},
		{Demand{Budget: 285 * mebi, Experts: 10 * gibi}, "285 MiB of experts"}, // 95%
		{Demand{Budget: 236 * mebi, Experts: 10 * gibi, Dense: gibi}, ""},      // dense files are another matter
		{Demand{Budget: 600 * mebi, Experts: 5 * mebi}, ""},                    // there are no more to hold
	} {
		err := c.d.refuse(m)
		if c.want == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, c.want)
		}
		m := memory{total: 300 * mebi, group: math.MaxInt64} // a machine may swap
		require.NoError(t, c.d.refuse(m))
		require.NotEmpty(t, c.d.doubt(m))
	}
	require.ErrorContains(t, Demand{Budget: gibi, Experts: gibi}.refuse(memory{total: gibi, group: 40 * mebi}), "allow it more")
}

func TestDoubtsAboutDemand(t *testing.T) {
	m := memory{total: 8 * gibi, group: math.MaxInt64}
	require.Empty(t, Demand{Budget: 5 * gibi, Experts: 12 * gibi, Dense: 2 * gibi}.doubt(m))
	require.Contains(t, Demand{Budget: 6 * gibi, Experts: 12 * gibi, Dense: 2 * gibi}.doubt(m),
		"6.0 GiB of experts, 2.0 GiB of dense files and 64 MiB for the server are more than the 8.0 GiB of memory")
	require.Contains(t, Demand{Budget: 100 << 40, Experts: mebi}.doubt(m), "the RAM budget of 100 TiB is above the 8.0 GiB")
}

func TestCrowd(t *testing.T) {
	m := memory{total: 16 * gibi, group: math.MaxInt64}
	most := Demand{Budget: 13 * gibi, Experts: 60 * gibi}
	require.Empty(t, most.crowd(m, nil))
	require.Contains(t, most.crowd(m, []Other{{"/mnt/a", most}}),
		"(/mnt/a 13 GiB), dense files and servers, all mounts may take 26 GiB, and the machine has 16 GiB")
	require.Empty(t, most.crowd(m, []Other{{"/mnt/tiny", Demand{Budget: 13 * gibi, Experts: 5 * mebi}}}))
	require.Empty(t, Demand{Budget: 13 * gibi, Experts: 5 * mebi}.crowd(m, []Other{{"/mnt/a", Demand{Budget: 20 * gibi, Experts: 60 * gibi}}}),
		"what is tiny is no matter")
}
