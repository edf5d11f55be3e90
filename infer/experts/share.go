package experts

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"expertfs"
)

// share is what the mount lets this process keep mapped. It moves when readers come
// and go, and when an open waits for room; a reader that keeps no more than its
// share is in nobody's way.
type share struct {
	f     *os.File // nil: nobody says; a plain folder, or a mount that has no shares
	asked time.Time
	gone  error // the mount is not there any more
}

// shareEvery is how old a share may be.
const shareEvery = 50 * time.Millisecond

// openShare opens the mount's file of shares, if there is one. Opening it costs
// nothing; a process that reads it is one that keeps experts.
func openShare(f *folder) *share {
	file, err := os.Open(filepath.Join(f.dir, expertfs.ControlPath(expertfs.ShareFile)))
	if err != nil {
		return &share{} // it is advice, and an open that finds no room is refused
	}
	return &share{f: file}
}

// ask returns the share in bytes; ok is false where nobody says.
func (s *share) ask() (bytes int64, ok bool) {
	s.asked = time.Now()
	if s.f == nil {
		return 0, false
	}
	var buf [64]byte
	n, err := s.f.ReadAt(buf[:], 0)
	if Gone(err) {
		s.gone = err
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, false
	}
	fields := strings.Fields(string(buf[:n]))
	if len(fields) == 0 {
		return 0, false
	}
	bytes, err = strconv.ParseInt(fields[0], 10, 64)
	return bytes, err == nil && bytes >= 0
}

// old tells whether it is time to ask again.
func (s *share) old() bool { return s.f != nil && time.Since(s.asked) >= shareEvery }

func (s *share) close() error {
	if s.f == nil {
		return nil
	}
	return s.f.Close()
}
