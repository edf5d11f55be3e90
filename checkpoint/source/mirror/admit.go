package mirror

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"

	"expertfs/checkpoint/source"

	"golang.org/x/sys/unix"
)

// sum is the hash of a sample.
type sum [sha256.Size]byte

// sample hashes the sample of a source that needs no alignment: 64 KiB of its beginning,
// and a page for each 64 MiB. A small file is all in it.
func sample(s source.Source) (sum, error) {
	const leastPages, mostPages = 4, 64
	pages := max(leastPages, min(s.Size()>>26, mostPages))
	return source.Sample(source.Reader(s), s.Size(), 64<<10, pages)
}

// admit opens a copy and finds out whether it is one of the first drive's file. c.mu is
// held.
func (c *copied) admit() (source.Source, error) {
	f := c.file
	s, err := c.folder.Open(f.name)
	if err != nil {
		return nil, err
	}
	if f.isBrief() {
		err = source.Brief(s)
	}
	if err == nil {
		err = c.compare(s)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	c.known = s.Identity()
	return s, nil
}

// compare compares a copy with what is known of the file.
func (c *copied) compare(s source.Source) error {
	f, where := c.file, c.folder.Describe(c.file.name)
	if s.Size() != f.size {
		return fmt.Errorf("%s: has %d bytes, and the checkpoint's own %d: not a copy of it", where, s.Size(), f.size)
	}
	if sameIdentity(s.Identity(), c.known) {
		return nil
	}
	got, err := sample(s)
	if err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	if got != f.sum {
		return fmt.Errorf("%s: has other bytes than the checkpoint's own: not a copy of it", where)
	}
	return c.compareHoles(s)
}

func sameIdentity(a, b source.Identity) bool {
	return a.ModTime.Equal(b.ModTime) && a.ETag == b.ETag && a.SHA256 == b.SHA256 && !b.ModTime.IsZero()
}

// compareHoles looks whether another copy has zeros where this one has holes: a file
// that is being copied, or that a program keeps parts of, has some where others have
// weights.
func (c *copied) compareHoles(s source.Source) error {
	holes, err := holesOf(source.Path(s))
	if err != nil || len(holes) == 0 {
		return err
	}
	for _, other := range c.file.copies {
		if other == c {
			continue
		}
		o, err := other.folder.Open(c.file.name)
		if err != nil {
			continue
		}
		for _, h := range holes {
			zeros, zerr := isZero(o, h)
			if err = zerr; err == nil && !zeros {
				err = fmt.Errorf("%s: has a hole of %d bytes at %d where the other copy has data: it is not whole, copy it again",
					c.folder.Describe(c.file.name), h[1]-h[0], h[0])
			}
			if err != nil {
				break
			}
		}
		return errors.Join(err, o.Close())
	}
	return nil
}

// holesOf returns the holes of a local file, from and to; none of what is no such file,
// or lies where the filesystem does not tell.
func holesOf(path string) (holes [][2]int64, err error) {
	if path == "" {
		return nil, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	size, err := file.Seek(0, io.SeekEnd)
	for at := int64(0); err == nil && at < size; {
		from, serr := unix.Seek(int(file.Fd()), at, unix.SEEK_HOLE)
		if serr != nil || from >= size {
			return holes, nil // where it does not tell, it has none
		}
		to, serr := unix.Seek(int(file.Fd()), from, unix.SEEK_DATA)
		if errors.Is(serr, unix.ENXIO) {
			to = size
		} else if serr != nil {
			return nil, serr
		}
		holes = append(holes, [2]int64{from, to})
		at = to
	}
	return holes, err
}

// isZero tells whether a range of a source has zeros alone.
func isZero(s source.Source, e [2]int64) (bool, error) {
	buf := make([]byte, min(1<<20, e[1]-e[0]))
	zero := make([]byte, len(buf))
	r := source.Reader(s)
	for at := e[0]; at < e[1]; at += int64(len(buf)) {
		p := buf[:min(int64(len(buf)), e[1]-at)]
		if _, err := r.ReadAt(p, at); err != nil {
			return false, err
		}
		if !bytes.Equal(p, zero[:len(p)]) {
			return false, nil
		}
	}
	return true, nil
}

// beside finds out how two local files lie: on one filesystem, and whether they are one
// file, which is an error.
func beside(own, other source.Source) (sameDevice bool, err error) {
	a, b := source.Path(own), source.Path(other)
	if a == "" || b == "" {
		return false, nil
	}
	var st [2]unix.Stat_t
	for i, path := range []string{a, b} {
		if err := unix.Stat(path, &st[i]); err != nil {
			return false, &os.PathError{Op: "stat", Path: source.Printable(path), Err: err}
		}
	}
	sameDevice = st[0].Dev == st[1].Dev
	if sameDevice && st[0].Ino == st[1].Ino {
		err = fmt.Errorf("%s: is the checkpoint's own file, not a copy of it", source.Printable(b))
	}
	return sameDevice, err
}
