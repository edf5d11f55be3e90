package web

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"expertfs"
	"expertfs/cmd/expertfs/internal/watch"

	"github.com/stretchr/testify/require"
)

// hanging is a mount that does not answer before it goes on.
type hanging struct {
	watch.Source
	asked atomic.Int64
	goOn  chan struct{}
}

func (h *hanging) Live() (*expertfs.Live, error) {
	h.asked.Add(1)
	<-h.goOn
	return new(expertfs.Live), nil
}

// TestProbesOfAMountThatHangs: they do not add up.
func TestProbesOfAMountThatHangs(t *testing.T) {
	m := &hanging{goOn: make(chan struct{})}
	h := &health{source: m}
	probe := func(ctx context.Context) int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "/health", nil))
		return w.Code
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 {
		require.Equal(t, http.StatusServiceUnavailable, probe(gone))
	}
	close(m.goOn)
	require.Equal(t, http.StatusOK, probe(t.Context()))
	require.LessOrEqual(t, m.asked.Load(), int64(2))
}
