package source

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"time"
)

// The sample of a file: its beginning, where headers are, and pages from all over
// it. Another model has other bytes in nearly all of them. A change of single
// bytes elsewhere is not seen: nobody could tell it from weights.
const (
	sampleHead  = 256 << 10 // bytes
	samplePages = 32
	samplePage  = 4 << 10 // bytes
	sampleBrief = 8 << 10 // bytes of the beginning, where that is all
)

// takeSample hashes the sample.
func (l *local) takeSample() (sum [sha256.Size]byte, err error) {
	file, err := os.Open(l.path) // the file may have been closed
	if err != nil {
		return sum, err
	}
	defer file.Close()
	h := sha256.New()
	add := func(off, n int64) {
		off = max(0, min(off, l.Size()-n))
		m, readErr := io.Copy(h, io.NewSectionReader(file, off, min(n, l.Size())))
		if err == nil && readErr != nil {
			err = readErr
		} else if err == nil && m < min(n, l.Size()) {
			err = fmt.Errorf("%d bytes at %d: %w", n, off, io.ErrUnexpectedEOF)
		}
	}
	if l.brief {
		add(0, sampleBrief)
		h.Sum(sum[:0])
		return sum, err
	}
	add(0, sampleHead)
	for i := range int64(samplePages) {
		add(l.Size()/samplePages*(i+1)-samplePage, samplePage)
	}
	add(l.Size()-samplePage, samplePage)
	h.Sum(sum[:0])
	return sum, err
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
