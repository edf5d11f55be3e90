package prefix

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Inventory is what a folder has of one model, numerics and kind of keys and
// values, for people to look through.
type Inventory struct {
	Model
	Key   string       `json:"key"`
	Bytes int64        `json:"bytes"`
	Texts []StoredText `json:"texts"` // those used last come first

	dir string
}

// StoredText is a text that no stored text goes on from.
type StoredText struct {
	ID     string    `json:"id"`
	Tokens int       `json:"tokens"`
	Bytes  int64     `json:"bytes"` // that no other text has too
	Used   time.Time `json:"used"`

	files []*storedSegment // from its beginning on
}

// storedSegment is a file, and how many texts need it.
type storedSegment struct {
	stored
	*header
	texts int
}

// TakeInventory reads what there is in dir. Files that are no segments are left
// out, as are those whose beginning is missing.
func TakeInventory(dir string) ([]Inventory, error) {
	folders, err := list(dir)
	if err != nil {
		return nil, err
	}
	var all []Inventory
	for key, files := range folders {
		i := Inventory{Key: key, dir: filepath.Join(dir, key)}
		i.Model = readModel(i.dir)
		for _, f := range files {
			i.Bytes += f.size
		}
		i.gather(files)
		all = append(all, i)
	}
	slices.SortFunc(all, func(a, b Inventory) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Key, b.Key)) })
	return all, nil
}

// gather makes texts of files.
func (i *Inventory) gather(files []stored) {
	segments := make(map[id]*storedSegment)
	inner := make(map[id]bool)
	for _, f := range files {
		if h := headerOf(f.path); h != nil && h.id == f.id {
			segments[f.id] = &storedSegment{stored: f, header: h}
			inner[h.parent] = true
		}
	}
	for last, s := range segments {
		if inner[last] {
			continue
		}
		t := StoredText{ID: last.String(), Tokens: s.header.to, Used: s.used}
		for ; s != nil; s = segments[s.parent] {
			t.files = append(t.files, s)
		}
		slices.Reverse(t.files)
		if t.files[0].parent == (id{}) {
			for _, s := range t.files {
				s.texts++
			}
			i.Texts = append(i.Texts, t)
		}
	}
	for n := range i.Texts {
		for _, s := range i.Texts[n].files {
			if s.texts == 1 {
				i.Texts[n].Bytes += s.stored.size
			}
		}
	}
	slices.SortFunc(i.Texts, func(a, b StoredText) int { return cmp.Or(b.Used.Compare(a.Used), cmp.Compare(a.ID, b.ID)) })
}

func headerOf(path string) *header {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	h, err := readHeader(f, anyParts)
	if err != nil {
		return nil
	}
	return h
}

// IDs are the first tokens of the text, at most as many as most.
func (t *StoredText) IDs(most int) (ids []int) {
	for i, s := range t.files {
		end := t.Tokens
		if i+1 < len(t.files) {
			end = t.files[i+1].from
		}
		for _, id := range s.ids[:end-s.from] {
			if len(ids) == most {
				return ids
			}
			ids = append(ids, int(id))
		}
	}
	return ids
}

// Remove removes what no other text needs. A second call does nothing.
func (t *StoredText) Remove() error {
	files := t.files
	t.files = nil
	for _, s := range slices.Backward(files) {
		if s.texts--; s.texts > 0 {
			continue
		}
		if err := os.Remove(s.path); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}

// Remove removes all that the inventory is of.
func (i *Inventory) Remove() error {
	entries, err := os.ReadDir(i.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if _, _, ok := parseName(e.Name()); ok || e.Name() == modelFile {
			if err := os.Remove(filepath.Join(i.dir, e.Name())); err != nil && !os.IsNotExist(err) {
				return err
			}
		}
	}
	if err := os.Remove(i.dir); err != nil && !os.IsNotExist(err) { // a server may have it open, or be writing
		return fmt.Errorf("%w: does a process still use it?", err)
	}
	return nil
}

// Usage is the bytes of all segments in dir, and how many there are.
func Usage(dir string) (bytes int64, segments int, err error) {
	folders, err := list(dir)
	for _, files := range folders {
		segments += len(files)
		for _, f := range files {
			bytes += f.size
		}
	}
	return bytes, segments, err
}
