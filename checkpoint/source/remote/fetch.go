package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"
)

// Retrying bounds attempts. A test may make it quick; the zero value is not used.
type Retrying struct {
	Attempts int           // of one request, the first included
	First    time.Duration // before the second attempt; doubled for each further one
	Most     time.Duration // between two attempts, where the place does not ask for more
	Asked    time.Duration // that a place may ask to wait, altogether; who asks for more is not asked again
	Stall    time.Duration // without a byte, after which an attempt is given up
}

// DefaultRetrying waits 6 seconds altogether before a range is given up, or as long as it
// is asked to, a minute at most.
var DefaultRetrying = Retrying{
	Attempts: 6, First: 200 * time.Millisecond, Most: 5 * time.Second, Asked: time.Minute, Stall: 30 * time.Second,
}

// offlineTime is how long, after a place was out of reach for all attempts of a
// request, others make one attempt only: so that what is not in a cache fails at
// once, and not each after all attempts.
const offlineTime = 20 * time.Second

// Fetch reads what comes from off on into dst, one piece after the other, of a
// file of the listing. Errors leave naming the file to the caller.
func (f *Folder) Fetch(ctx context.Context, file *File, off int64, dst ...[]byte) error {
	left := 0
	for _, p := range dst {
		left += len(p)
	}
	l, err := f.Listing(ctx)
	if err != nil {
		return err
	}
	return f.attempt(ctx, func(ctx context.Context, alive func()) error {
		for left > 0 {
			n, err := f.fetchOnce(ctx, alive, l, file, off, left, &dst)
			off, left = off+int64(n), left-n
			f.bytes.Add(int64(n))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// fetchOnce makes one request for n bytes and puts what comes into dst, of which
// it takes off what it has filled.
func (f *Folder) fetchOnce(ctx context.Context, alive func(), l *Listing, file *File, off int64, n int, dst *[][]byte) (got int, err error) {
	body, err := f.store.Get(ctx, l, file, off, int64(n))
	if err != nil {
		return 0, err
	}
	defer body.Close()
	for got < n {
		if len((*dst)[0]) == 0 {
			*dst = (*dst)[1:]
			continue
		}
		alive()
		m, err := body.Read((*dst)[0])
		got += m
		(*dst)[0] = (*dst)[0][m:]
		switch {
		case got == n:
		case err == io.EOF:
			return got, fmt.Errorf("the body ends after %d of %d bytes: %w", got, n, io.ErrUnexpectedEOF)
		case err != nil:
			return got, err
		}
	}
	// Its end lets the connection be used again.
	var end [1]byte
	if m, _ := body.Read(end[:]); m > 0 {
		return got, Permanent(fmt.Errorf("the body has more than the %d bytes asked for", n))
	}
	return got, nil
}

// attempt calls do until it succeeds, as often as Retrying says. do calls alive
// before it waits for bytes.
func (f *Folder) attempt(ctx context.Context, do func(ctx context.Context, alive func()) error) error {
	r := f.retrying
	attempts := r.Attempts
	if time.Now().UnixNano() < f.offline.Load() {
		attempts = 1
	}
	for i := 1; ; i++ {
		err := watched(ctx, r.Stall, do)
		var status *StatusError
		if errors.As(err, &status) {
			r.Asked -= status.After
		}
		if err == nil {
			f.offline.Store(0)
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		err = withoutURL(err)
		if !transient(err) || i >= attempts || r.Asked < 0 {
			f.errors.Add(1)
			if unreachable(err) {
				f.offline.Store(time.Now().Add(offlineTime).UnixNano())
			}
			return f.explain(err)
		}
		f.retries.Add(1)
		if err := pause(ctx, r.wait(i, err)); err != nil {
			return err
		}
	}
}

// wait is how long to wait after attempt i has failed: half of it is drawn by lot,
// so that those who failed together do not come again together.
func (r Retrying) wait(i int, err error) time.Duration {
	d := min(r.First<<(i-1), r.Most)
	d = d/2 + rand.N(d/2+1)
	var status *StatusError
	if errors.As(err, &status) {
		d = max(d, status.After)
	}
	return d
}

// pause waits, or returns why ctx has ended.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// errStalled ends an attempt in which no bytes come.
var errStalled = errors.New("no bytes came for some time")

// watched calls do with a context that ends when do has not been alive for so long.
func watched(ctx context.Context, stall time.Duration, do func(ctx context.Context, alive func()) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(stall, func() { cancel(errStalled) })
	defer watch.Stop()
	err := do(ctx, func() { watch.Reset(stall) })
	if err != nil && errors.Is(context.Cause(ctx), errStalled) {
		return errStalled
	}
	return err
}
