package prefix

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"
)

// scan reads what is new in the folder, be it from an earlier process or from one
// that runs beside this one.
func (s *Store) scan() {
	if s.dir == "" {
		return
	}
	info, err := os.Stat(s.dir)
	s.mu.Lock()
	defer s.mu.Unlock()
	if errors.Is(err, fs.ErrNotExist) { // it was removed with all that was in it
		s.listed = time.Time{}
		s.gather(nil)
	}
	if err != nil {
		return
	}
	if info.ModTime().Equal(s.listed) {
		return
	}
	if err := own(info); err != nil {
		s.discard(s.dir, err)
		s.gather(nil)
		return
	}
	files, foreign, err := listKey(s.dir)
	if err != nil {
		s.log.Warn("stored prefixes cannot be listed", "err", err)
		return
	}
	for _, path := range foreign {
		s.discard(path, fmt.Errorf("%w: it is named like a segment", errTorn))
	}
	if s.listed = info.ModTime(); time.Since(s.listed) < settled {
		s.listed = time.Time{}
	}
	s.gather(files)
}

// settled is the age from which on a folder's time tells all changes apart.
const settled = 50 * time.Millisecond

// gather makes the tree agree with the files of the folder. The lock is held.
func (s *Store) gather(files []stored) {
	there := make(map[id]bool, len(files))
	var fresh []stored
	for _, f := range files {
		s.used(f.used)
		there[f.id] = true
		if p := s.tree.byID[f.id]; p == nil {
			fresh = append(fresh, f)
		} else {
			p.saved = true
		}
	}
	for _, p := range s.tree.byID {
		if p.saved && !there[p.id] { // evicted by another process
			p.saved = false
			if p.state == nil {
				s.tree.remove(p, s.forget)
			}
		}
	}
	// A parent ends before its children do.
	slices.SortFunc(fresh, func(a, b stored) int { return cmp.Compare(a.to, b.to) })
	for _, f := range fresh {
		if err := s.admit(f); err != nil {
			s.discard(f.path, err)
		}
	}
}

// admit adds the segment of a file to the tree, if its parent is there. The lock is
// held.
func (s *Store) admit(f stored) error {
	file, err := openFile(f.path)
	if err != nil {
		return err
	}
	defer file.Close()
	h, err := readHeader(file, len(s.shape.Sliding))
	if err != nil {
		return err
	}
	if err := h.check(file, s.key, s.shape); err != nil {
		return err
	}
	if h.id != f.id || h.to != f.to {
		return fmt.Errorf("%w: its name", errTorn)
	}
	parent := s.tree.root
	if h.parent != (id{}) {
		parent = s.tree.byID[h.parent]
	}
	if parent == nil || s.shape.Reach(parent.from, parent.to, h.from) != h.from {
		return nil // its time will come, or it is evicted
	}
	p := s.tree.add(parent, h.from, h.ids)
	p.saved, p.used = true, f.used
	return nil
}
