package web

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"expertfs"
	"expertfs/cmd/expertfs/internal/watch"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// hanging is a mount that does not answer before it goes on.
type hanging struct {
	watch.Source
	asked atomic.Int64
	goOn  chan struct{}
}

func (h *hanging) Stats() (*expertfs.Stats, error) {
	h.asked.Add(1)
	<-h.goOn
	return new(expertfs.Stats), nil
}

func (h *hanging) Live() (*expertfs.Live, error) {
	h.asked.Add(1)
	<-h.goOn
	return new(expertfs.Live), nil
}

// TestProbesOfAMountThatHangs: they do not add up.
func TestProbesOfAMountThatHangs(t *testing.T) {
	m := &hanging{goOn: make(chan struct{})}
	h := &health{live: question[*expertfs.Live]{ask: m.Live}}
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

// TestScrapesOfAMountThatHangs: each is answered, and they do not add up either.
func TestScrapesOfAMountThatHangs(t *testing.T) {
	m := &hanging{goOn: make(chan struct{})}
	figures := (&Server{source: m}).figures()
	var scraping sync.WaitGroup
	for range 10 {
		scraping.Go(func() {
			_, err := figures()
			assert.ErrorIs(t, err, errSilent)
		})
	}
	scraping.Wait()
	require.EqualValues(t, 1, m.asked.Load())
	close(m.goOn)
	require.Eventually(t, func() bool { _, err := figures(); return err == nil }, 5*time.Minute, time.Millisecond)
}
