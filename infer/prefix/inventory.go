package prefix

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
	all := []Inventory{} // not null where it is JSON
	for key, files := range folders {
		i := Inventory{Key: key, Texts: []StoredText{}, dir: filepath.Join(dir, key)}
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

// Remove removes all that the inventory is of, and what was being written to it, which
// a process that runs writes anew. Files of others stay, and the folder with them.
func (i *Inventory) Remove() error {
	entries, err := os.ReadDir(i.dir)
	if err != nil {
		return err
	}
	kept := ""
	for _, e := range entries {
		name := e.Name()
		if _, _, ok := parseName(name); !ok && name != modelFile && !strings.HasPrefix(name, temporary) {
			kept = name
			continue
		}
		if err := os.Remove(filepath.Join(i.dir, name)); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	err = os.Remove(i.dir)
	switch {
	case err == nil || os.IsNotExist(err):
		return nil
	case kept != "":
		return fmt.Errorf("%w: %s in it was not written by gptoss", err, kept)
	}
	return fmt.Errorf("%w: a process still uses it: end it, or try again", err) // it has written meanwhile
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
