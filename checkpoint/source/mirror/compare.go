package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"unsafe"

	"expertfs/checkpoint/source"
)

// compareChunk is how much of two copies is compared at a time.
const compareChunk = 4 << 20

// Difference is a byte in which a copy differs from the checkpoint's own file.
type Difference struct {
	File source.Source // as it was given
	Name string        // of the copy
	Off  int64         // in the file
}

func (d *Difference) Error() string {
	return fmt.Sprintf("%s: differs from the checkpoint's own at byte %d: one of the two is damaged, copy the good one again", d.Name, d.Off)
}

// CompareBytes returns how much Compare reads.
func (s *Set) CompareBytes(files []source.Source) (n int64) {
	for _, f := range files {
		if h, ok := source.Unwrap(f).(*handle); ok {
			n += h.size * int64(len(h.copies)-1)
		}
	}
	return n
}

// Compare reads files and all their copies, and returns what differs: a [*Difference]
// for each copy that does, and what could not be read. It calls progress with the bytes
// that it has compared, and returns early when ctx ends.
func (s *Set) Compare(ctx context.Context, files []source.Source, progress func(n int)) (problems []error) {
	for _, f := range files {
		h, ok := source.Unwrap(f).(*handle)
		if !ok {
			continue
		}
		for _, err := range s.compare(ctx, h.file, progress) {
			if d, ok := err.(*Difference); ok {
				d.File = f
			}
			problems = append(problems, err)
		}
	}
	return problems
}

// compare compares all copies of a file with the first.
func (s *Set) compare(ctx context.Context, f *file, progress func(n int)) (problems []error) {
	for _, c := range f.copies[1:] {
		if err := comparePair(ctx, f, f.copies[0], c, progress); err != nil {
			problems = append(problems, err)
		}
	}
	return problems
}

// comparePair compares two copies of a file, past the page cache.
func comparePair(ctx context.Context, f *file, own, other *copied, progress func(n int)) error {
	var from [2]source.Source
	var buf [2][]byte
	for i, c := range []*copied{own, other} {
		s, err := c.folder.Open(f.name)
		if err != nil {
			return err
		}
		defer s.Close()
		if from[i], err = s.Bulk(); err != nil {
			return err
		}
		defer from[i].Close()
		buf[i] = onPage(compareChunk)
	}
	for off := int64(0); off < f.size; off += compareChunk {
		n := int(min(compareChunk, f.size-off))
		var errs [2]error
		var reads sync.WaitGroup
		for i := range from {
			reads.Go(func() {
				got, err := from[i].ReadAt(ctx, buf[i], off)
				if err == nil && got < n {
					err = errors.New("the file ends early")
				}
				if err != nil {
					errs[i] = fmt.Errorf("%s: read of %d bytes at %d: %w", []*copied{own, other}[i].folder.Describe(f.name), n, off, err)
				}
			})
		}
		reads.Wait()
		if err := errors.Join(errs[:]...); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if a, b := buf[0][:n], buf[1][:n]; !bytes.Equal(a, b) {
			at := 0
			for a[at] == b[at] {
				at++
			}
			return &Difference{Name: other.folder.Describe(f.name), Off: off + int64(at)}
		}
		progress(n)
	}
	return nil
}

// page is what reads past the page cache are aligned to.
const page = 4 << 10

// onPage returns n bytes of memory that begin on a page.
func onPage(n int) []byte {
	memory := make([]byte, n+page)
	return memory[-uintptr(unsafe.Pointer(&memory[0]))%page:][:n]
}
