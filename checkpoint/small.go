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
)

// maxSmall is the size in bytes up to which a file counts as a small one. The
// largest in use, tokenizer.json, has 28 million.
const maxSmall = 64 << 20

// Names by which a file beside the weights is taken for a part of the model.
var (
	smallExts  = []string{".json", ".jinja", ".md", ".txt"}
	smallNames = []string{"LICENSE", "NOTICE", "USAGE_POLICY"}
)

// tokenizerFiles are looked for beside original/, which has none of them.
var tokenizerFiles = []string{
	"chat_template.jinja", "generation_config.json", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json",
}

// isSmall tells by its name whether a file belongs to the model. The index does
// not: it speaks of shards, and a tree of experts has none.
func isSmall(name string) bool {
	if name == indexName || strings.HasPrefix(name, ".") {
		return false
	}
	return slices.Contains(smallExts, path.Ext(name)) || slices.Contains(smallNames, name)
}

// openSmall opens the model's small files.
func (c *Checkpoint) openSmall(f *folder) error {
	entries, err := fs.ReadDir(f, ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := e.Name()
		if !isSmall(name) {
			continue
		}
		if err := c.addSmall(f, name); err != nil {
			return err
		}
	}
	if filepath.Base(f.dir) != originalDir {
		return nil
	}
	parent := filepath.Dir(f.dir)
	beside := &folder{FS: os.DirFS(parent), dir: parent, name: f.name}
	for _, name := range tokenizerFiles {
		if f.has(name) || !beside.has(name) {
			continue
		}
		if err := c.addSmall(beside, name); err != nil {
			return err
		}
	}
	return nil
}

// addSmall opens one file unless it is a directory or too large.
func (c *Checkpoint) addSmall(f *folder, name string) error {
	info, err := fs.Stat(f, name)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: a link to nothing: download it again", f.describe(name))
	} else if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Size() > maxSmall {
		return nil
	}
	file, err := f.openFile(name)
	if err != nil {
		return err
	}
	c.small = append(c.small, file)
	return nil
}
