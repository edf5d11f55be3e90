package source

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"time"
)

// Sample hashes what tells one file of size bytes from another: the first head bytes,
// where headers are, and pages from all over it, the last one among them. Another
// model has other bytes in nearly all of them. A change of single bytes elsewhere is
// not seen: nobody could tell it from weights.
func Sample(r io.ReaderAt, size, head, pages int64) (sum [sha256.Size]byte, err error) {
	const page = 4 << 10
	h := sha256.New()
	add := func(off, n int64) {
		n = min(n, size)
		off = max(0, min(off, size-n))
		m, rerr := io.Copy(h, io.NewSectionReader(r, off, n))
		if rerr == nil && m < n {
			rerr = io.ErrUnexpectedEOF
		}
		if rerr != nil && err == nil {
			err = fmt.Errorf("%d bytes at %d: %w", n, off, rerr)
		}
	}
	add(0, head)
	for i := range pages {
		add(size/pages*(i+1)-page, page)
	}
	if pages > 0 {
		add(size-page, page)
	}
	h.Sum(sum[:0])
	return sum, err
}

// takeSample hashes the sample of the file that is at the path now.
func (l *local) takeSample() (sum [sha256.Size]byte, err error) {
	file, err := os.Open(l.path) // the file may have been closed
	if err != nil {
		return sum, err
	}
	defer file.Close()
	if l.brief {
		return Sample(file, l.Size(), 8<<10, 0)
	}
	return Sample(file, l.Size(), 256<<10, 32)
}

// pin takes the sample that later ones are compared with.
func (l *local) pin() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sum != nil {
		return nil
	}
	sum, err := l.takeSample()
	if err != nil {
		return fmt.Errorf("%s: %w", Printable(l.path), err)
	}
	l.sum = &sum
	return nil
}

// Brief has the sample be the first 8 KiB alone, and takes it.
func (l *local) Brief() error {
	l.brief = true
	return l.pin()
}

// same tells whether a file that now has this time of modification has the content
// that it was opened with.
func (l *local) same(modTime time.Time) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if modTime.Equal(l.modTime) {
		return true, nil
	}
	if l.sum == nil {
		return false, nil
	}
	sum, err := l.takeSample()
	if err != nil || sum != *l.sum {
		return false, err
	}
	l.modTime = modTime
	return true, nil
}
