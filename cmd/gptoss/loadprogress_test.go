package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLoadProgress(t *testing.T) {
	var out strings.Builder
	p := &loadProgress{out: &out, began: time.Now()}
	p.tell(50, 100) // too soon to say anything
	p.clear()
	require.Empty(t, out.String())

	p.began = time.Now().Add(-time.Hour)
	for _, loaded := range []int64{0, 10, 10, 333, 336, 1000} {
		p.tell(loaded, 1000)
	}
	p.clear()
	require.Equal(t, "\rloading the model: 1%\rloading the model: 33%\rloading the model: 100%\r\x1b[K", out.String())
}
