package prefix

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A folder has a folder for each key, and in it
//
//	model.json                what the key stands for
//	000512-0123...ef.kv       a segment: the position of its end, and its id
const (
	modelFile = "model.json"
	suffix    = ".kv"
)

// Model is what the segments of one folder have in common, for people.
type Model struct {
	Name  string `json:"name"`
	Act   string `json:"act"`
	Dense string `json:"dense"`
	KV    string `json:"kv"`
}

// stored is a file of a folder.
type stored struct {
	path string
	id   id // the zero value: no segment
	to   int
	size int64
	used time.Time
}

func fileName(s *segment) string { return fmt.Sprintf("%06d-%s%s", s.to, s.id, suffix) }

// parseName is the inverse of fileName.
func parseName(name string) (i id, to int, ok bool) {
	end, text, _ := strings.Cut(strings.TrimSuffix(name, suffix), "-")
	to, err := strconv.Atoi(end)
	if err != nil || len(text) != 2*len(i) {
		return i, 0, false
	}
	_, err = hex.Decode(i[:], []byte(text))
	return i, to, err == nil && name == fileName(&segment{id: i, to: to}) // a copy of another name is no segment
}

// listKey lists the segments in the folder of a key, and what is named like one and is
// none. It removes what was being written by processes that have died.
func listKey(dir string) (all []stored, foreign []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue // gone meanwhile
		}
		f := stored{path: filepath.Join(dir, e.Name()), size: info.Size(), used: info.ModTime()}
		var ok bool
		f.id, f.to, ok = parseName(e.Name())
		switch age := time.Since(f.used); {
		case ok && info.Mode().IsRegular():
			all = append(all, f)
		case strings.HasSuffix(e.Name(), suffix):
			foreign = append(foreign, f.path)
		case strings.HasPrefix(e.Name(), temporary) && (age > abandoned || age < -abandoned): // the clock may have been set back
			_ = os.Remove(f.path)
		}
	}
	return all, foreign, nil
}

// abandoned is when nobody writes to a temporary file any more.
const abandoned = 10 * time.Minute

// list lists the segments of all models in dir by the folder that they are in. Those
// of other users, which cannot be read, are left to them.
func list(dir string) (map[string][]stored, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all := make(map[string][]stored)
	for _, e := range entries {
		if key, err := hex.DecodeString(e.Name()); err != nil || len(key) != len(id{}) || !e.IsDir() {
			continue
		}
		files, _, err := listKey(filepath.Join(dir, e.Name()))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			continue // gone meanwhile, or another user's
		}
		if err != nil {
			return nil, err
		}
		all[e.Name()] = files
	}
	return all, nil
}

// victims returns the files that are to go for those of dir to take no more than
// budget, and what is left then: those used longest ago first, and of a text its
// end first. Last is when any of them was used last.
func victims(dir string, budget int64) (out []stored, left int64, last time.Time, err error) {
	folders, err := list(dir)
	if err != nil {
		return nil, 0, last, err
	}
	var all []stored
	for _, files := range folders {
		all = append(all, files...)
	}
	slices.SortFunc(all, func(a, b stored) int {
		return cmp.Or(a.used.Compare(b.used), cmp.Compare(b.to, a.to))
	})
	for _, f := range all {
		left += f.size
		last = f.used
	}
	for _, f := range all {
		if left <= budget {
			break
		}
		out = append(out, f)
		left -= f.size
	}
	return out, left, last, nil
}

// unknownModel is the name of one of whose folder nothing can be read that says it.
const unknownModel = "unknown"

// describe writes what the folder's key stands for, if that is not to be read there.
func (m *Model) describe(dir string) error {
	path := filepath.Join(dir, modelFile)
	if readModel(dir).Name != unknownModel {
		return nil
	}
	return writeFile(path, func(w io.Writer) error { return json.NewEncoder(w).Encode(m) })
}

func readModel(dir string) (m Model) {
	text, err := os.ReadFile(filepath.Join(dir, modelFile))
	if err != nil || json.Unmarshal(text, &m) != nil {
		m.Name = unknownModel
	}
	return m
}
