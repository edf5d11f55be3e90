package watch

import (
	"testing"
	"time"

	"expertfs"

	"github.com/stretchr/testify/require"
)

func TestRates(t *testing.T) {
	var a, b expertfs.Stats
	a.Seconds, b.Seconds = 10, 12
	a.Cache.Uses, b.Cache.Uses = expertfs.Uses{Hits: 5, Misses: 1}, expertfs.Uses{Hits: 10, Misses: 3, Joins: 1}
	a.Cache.OpenWait, b.Cache.OpenWait = time.Second, 2*time.Second
	b.Cache.BytesRead = 1000
	a.Readers = []expertfs.ReaderStats{{PID: 1, Tokens: 100}, {PID: 2, Stream: 1, Tokens: 50}}
	b.Readers = []expertfs.ReaderStats{{PID: 3, Stream: 1, Tokens: 4}, {PID: 1, Tokens: 106}}
	r := Between(&a, &b)
	require.Equal(t, Rates{Uses: expertfs.Uses{Hits: 5, Misses: 2, Joins: 1}, HitRate: 0.75, Waited: 0.5, Read: 500, Tokens: 5}, r)
	require.Equal(t, []float64{2, 3}, TokensBetween(&a, &b))
	require.Equal(t, 12*time.Second, Uptime(&b))

	require.Equal(t, Rates{HitRate: -1}, Between(&b, &a), "the mount was made anew")
	require.EqualValues(t, -1, Between(&a, &expertfs.Stats{Seconds: 11, Cache: a.Cache}).HitRate, "no uses")
}
