package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"expertfs/checkpoint/format"
	"expertfs/checkpoint/source"
)

// originalDir is where the published repositories keep OpenAI's layout, beside
// the tokenizer and Hugging Face's layout.
const originalDir = "original"

// tokenizerFiles are looked for beside original/, which has none of them.
var tokenizerFiles = []string{
	"chat_template.jinja", "generation_config.json", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json",
}

// resolvePath finds the place of a path.
func resolvePath(where string) (*format.Place, error) {
	dir, err := filepath.Abs(where)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: no such folder; give a checkpoint's folder or one of: %s", where, strings.Join(examples(), ", "))
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
	return weightsPlace(dir, name), nil
}

// weightsPlace returns dir or its original/ folder, whichever has files of some
// format; dir when neither has.
func weightsPlace(dir, name string) *format.Place {
	p := &format.Place{Folder: source.Dir(dir), Name: name}
	if filepath.Base(dir) == originalDir {
		p = originalPlace(dir, filepath.Base(filepath.Dir(dir)))
	}
	if detect(p) == nil {
		if o := originalPlace(filepath.Join(dir, originalDir), name); detect(o) != nil {
			return o
		}
	}
	return p
}

// originalPlace is a folder called original/ and, for the tokenizer, the one
// that it is in.
func originalPlace(dir, name string) *format.Place {
	return &format.Place{
		Folder: source.Dir(dir), Name: name,
		Beside: source.Dir(filepath.Dir(dir)), BesideFiles: tokenizerFiles,
	}
}

// nothing says what a place without a checkpoint is.
func nothing(p *format.Place) error {
	here := p.Folder.Describe("")
	if source.Has(p.Folder, "dense/embedding.safetensors") {
		return fmt.Errorf("%s: is already a tree of expert files: gptoss runs it as it is, and there is nothing to mount", here)
	}
	names, err := p.Folder.List()
	if err != nil {
		return err
	}
	if slices.ContainsFunc(names, func(name string) bool { return path.Ext(name) == ".gguf" }) {
		return fmt.Errorf("%s: holds GGUF files, expected safetensors: download the original checkpoint", here)
	}
	return fmt.Errorf("%s: no *.safetensors files here or in %s/: not a checkpoint", here, originalDir)
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
