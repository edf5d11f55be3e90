package experts

import (
	"errors"
	"fmt"

	"expertfs"
	"expertfs/infer/mapped"

	"golang.org/x/sys/unix"
)

// Gone tells whether err says that the mount is not there any more, or a file that
// was mapped: what is open then is of no use, but the folder may come back. After
// such an error the user calls Reopen before the next batch.
func Gone(err error) bool {
	var fault *mapped.FaultError
	return errors.As(err, &fault) || errors.Is(err, unix.ENOTCONN) || errors.Is(err, unix.ECONNABORTED)
}

// connection is what a store has open of its folder beside experts.
type connection struct {
	opener *expertfs.Opener
	hints  *hints // nil on a plain folder
	quota  *quota // bounds idleBytes

	residency *expertfs.Residency // nil unless it was asked for
}

func connect(f *folder, o *Options) (c connection, err error) {
	if c.hints, err = openHints(o.Dir, o.Names); err != nil {
		return c, err
	}
	if c.quota, err = newQuota(f, o.TopK, o.Keep, c.hints != nil); err != nil {
		return c, errors.Join(err, c.hints.Close())
	}
	if o.Residency {
		if c.residency, err = expertfs.OpenResidency(o.Dir, o.Names); err != nil {
			err = fmt.Errorf("experts in RAM cannot be preferred: %w", err)
			return c, errors.Join(err, c.hints.Close(), c.quota.close())
		}
	}
	c.opener = expertfs.NewOpener(o.Dir, o.Names)
	return c, nil
}

func (c *connection) close() error {
	c.opener.Close()
	return errors.Join(c.hints.Close(), c.quota.close(), c.residency.Close())
}

// Residency is what the mount shows of its RAM, nil unless that was asked for. It
// holds until Reopen and Close.
func (s *Store[T]) Residency() *expertfs.Residency { return s.residency }

// Reopen opens the folder anew, after an error that Gone knows and between two
// batches: nothing of what was mapped is kept. While the folder is not back it
// returns an error, and may be called again.
func (s *Store[T]) Reopen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := connect(&s.folder, &s.options)
	if err != nil {
		return err
	}
	// A mount that is gone cannot be told that its files are closed.
	s.shrink(0)
	_ = s.unmapper.wait()
	bySocket, _ := s.opener.Opens()
	s.stats.BySocket += bySocket
	s.stats.HintsLost += s.hints.Lost()
	_ = s.connection.close()
	s.connection, s.announced = c, nil
	s.Predictor.hints = c.hints
	s.watchShare()
	return nil
}
