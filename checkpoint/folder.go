package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"expertfs/checkpoint/tiny"
)

const (
	configName = "config.json"
	indexName  = "model.safetensors.index.json"
	weightsExt = ".safetensors"

	// originalDir is where the published repositories keep OpenAI's layout,
	// beside the tokenizer and Hugging Face's layout.
	originalDir = "original"
)

// folder is a directory that holds a checkpoint, on disk or in the program.
type folder struct {
	fs.FS
	dir   string    // absolute path; "" in the program
	name  string    // for people
	mtime time.Time // of files that have none of their own
}

// describe names a file of the folder in an error, or the folder itself for "".
func (f *folder) describe(name string) string {
	if f.dir == "" {
		return path.Join(f.name, name)
	}
	return filepath.Join(f.dir, name)
}

// has tells whether a file or directory of that name is there.
func (f *folder) has(name string) bool {
	_, err := fs.Stat(f, name)
	return err == nil
}

// weights returns the names of the safetensors files, sorted. Hidden files are
// none: some systems and archives leave such companions of real ones.
func (f *folder) weights() []string {
	names, _ := fs.Glob(f, "[^.]*"+weightsExt) // the pattern is well-formed
	return names
}

// hasWeights tells whether the folder holds safetensors files or an index of them.
func (f *folder) hasWeights() bool { return len(f.weights()) > 0 || f.has(indexName) }

// readFile reads a file of at most limit bytes.
func (f *folder) readFile(name string, limit int64) ([]byte, error) {
	file, err := f.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: missing: download it again", f.describe(name))
	} else if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.describe(name), err)
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("%s: larger than %d bytes, damaged or not what its name says", f.describe(name), limit)
	}
	return text, nil
}

// embedded lists the models inside the program, by the name after "embed:".
var embedded = map[string]func() *folder{
	"tiny": func() *folder { return &folder{FS: tiny.Files(), name: "embed:tiny", mtime: tiny.Trained} },
}

// Embedded returns what Open accepts besides paths.
func Embedded() []string {
	var names []string
	for name := range maps.Keys(embedded) {
		names = append(names, "embed:"+name)
	}
	slices.Sort(names)
	return names
}

// scheme matches what stands before the colon in "embed:tiny". Names of files
// may look like it, so that a path that exists is a path.
var scheme = regexp.MustCompile(`^[a-z][a-z0-9+.-]*:`)

// resolve finds the folder that holds the weights of what the user named.
func resolve(where string) (*folder, error) {
	if prefix := scheme.FindString(where); prefix != "" {
		if open, ok := embedded[strings.TrimPrefix(where, "embed:")]; ok && prefix == "embed:" {
			return open(), nil
		}
		if _, err := os.Lstat(where); err != nil {
			return nil, fmt.Errorf("%s: unknown; give a folder or one of: %s", where, strings.Join(Embedded(), ", "))
		}
	}
	dir, err := filepath.Abs(where)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: no such folder; give a checkpoint's folder or one of: %s", where, strings.Join(Embedded(), ", "))
	case err != nil:
		return nil, err
	case !info.IsDir():
		return nil, fmt.Errorf("%s: is a file; give the folder that holds the checkpoint", where)
	}
	name := filepath.Base(dir)
	if repo, snapshot, err := cacheSnapshot(dir); err != nil {
		return nil, err
	} else if snapshot != "" {
		name, dir = repo, snapshot
	}
	return weightsFolder(dir, name)
}

// weightsFolder returns dir or its original/ folder, whichever has weights.
func weightsFolder(dir, name string) (*folder, error) {
	f := &folder{FS: os.DirFS(dir), dir: dir, name: name}
	if filepath.Base(dir) == originalDir {
		f.name = filepath.Base(filepath.Dir(dir))
	}
	if f.hasWeights() {
		return f, nil
	}
	original := filepath.Join(dir, originalDir)
	if o := (&folder{FS: os.DirFS(original), dir: original, name: name}); o.hasWeights() {
		return o, nil
	}
	if f.has("dense/embedding.safetensors") {
		return nil, fmt.Errorf("%s: is already a tree of expert files: gptoss runs it as it is, and there is nothing to mount", dir)
	}
	if gguf, _ := fs.Glob(f, "*.gguf"); len(gguf) > 0 {
		return nil, fmt.Errorf("%s: holds GGUF files, expected safetensors: download the original checkpoint", dir)
	}
	if _, err := os.ReadDir(dir); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("%s: no *%s files here or in %s/: not a checkpoint", dir, weightsExt, originalDir)
}

// cacheSnapshot recognises the folder that Hugging Face's tools keep for a
// repository (models--OWNER--NAME with refs, blobs and snapshots) and returns
// the repository's name and the snapshot of its main branch, or else the newest.
// It returns "" for other folders.
func cacheSnapshot(dir string) (repo, snapshot string, err error) {
	entries, err := os.ReadDir(filepath.Join(dir, "snapshots"))
	if err != nil {
		return "", "", nil // not such a folder
	}
	repo = strings.ReplaceAll(strings.TrimPrefix(filepath.Base(dir), "models--"), "--", "/")
	if ref, err := os.ReadFile(filepath.Join(dir, "refs", "main")); err == nil {
		revision := filepath.Base(strings.TrimSpace(string(ref)))
		main := filepath.Join(dir, "snapshots", revision)
		if _, err := os.Stat(main); err == nil {
			return repo, main, nil
		}
	}
	var newest time.Time
	for _, e := range entries {
		if info, err := e.Info(); err == nil && e.IsDir() && (snapshot == "" || info.ModTime().After(newest)) {
			snapshot, newest = filepath.Join(dir, "snapshots", e.Name()), info.ModTime()
		}
	}
	if snapshot == "" {
		return "", "", fmt.Errorf("%s: the cache has no snapshot: download the model again", dir)
	}
	return repo, snapshot, nil
}
