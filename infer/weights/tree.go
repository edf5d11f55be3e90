package weights

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"expertfs"
	"expertfs/checkpoint/config"
	"expertfs/infer/mapped"
)

// maxConfig bounds config.json; real ones have two kilobytes.
const maxConfig = 1 << 20

// Folder is a model in tree form. Its methods are safe for concurrent use.
type Folder struct {
	dir     string
	names   expertfs.Names
	cfg     *config.Config
	arena   *mapped.Arena
	headers headerCache
	checked checkedExperts
	loaded  func(bytes int64) // nil, or what OnLoad was given
	passes  func() bool       // rounded files are worth mapping
}

// Open reads the folder's config and checks that dir has the form of a tree.
func Open(dir string) (*Folder, error) {
	st, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	if !st.IsDir() {
		return nil, fmt.Errorf("%s is a file; a model is a folder", dir)
	}
	cfg, err := readConfig(filepath.Join(dir, "config.json"))
	if err != nil {
		return nil, explain(dir, err)
	}
	if _, err := os.Stat(filepath.Join(dir, expertfs.LayersDir)); err != nil {
		return nil, explain(dir, err)
	}
	f := &Folder{dir: dir, names: expertfs.Names{Layers: cfg.Layers, Experts: cfg.Experts}, cfg: cfg, arena: mapped.NewArena()}
	f.checked.init(cfg.Layers, cfg.Experts)
	f.passes = sync.OnceValue(func() bool { return passes(dir) })
	return f, nil
}

// OnLoad has f told, as dense weights are loaded, how many bytes more of the dense
// files are. It is called from several goroutines at a time. Set it before loading.
func (f *Folder) OnLoad(tell func(bytes int64)) { f.loaded = tell }

// load tells that bytes of a dense file were loaded.
func (f *Folder) load(bytes int64) {
	if f.loaded != nil {
		f.loaded(bytes)
	}
}

// loadAll tells that all of a dense file was loaded.
func (f *Folder) loadAll(path string) {
	if st, err := os.Stat(f.path(path)); err == nil {
		f.load(st.Size())
	}
}

// DenseSize is the length of the dense files, in bytes, without the embedding.
func (f *Folder) DenseSize() (size int64, err error) {
	paths := []string{expertfs.UnembeddingPath}
	for n := range f.cfg.Layers {
		paths = append(paths, f.names.DensePath(n))
	}
	for _, path := range paths {
		st, err := os.Stat(f.path(path))
		if err != nil {
			return 0, err
		}
		size += st.Size()
	}
	return size, nil
}

// Close gives back the address space that experts and dense weights were mapped
// in. They must have been closed before.
func (f *Folder) Close() error { return f.arena.Close() }

// Dir is the folder's path as it was given to Open.
func (f *Folder) Dir() string { return f.dir }

// Names spells the names of the folder's experts.
func (f *Folder) Names() expertfs.Names { return f.names }

// Arena is where files of the folder are mapped.
func (f *Folder) Arena() *mapped.Arena { return f.arena }

// Config is the model's dimensions; it must not be changed.
func (f *Folder) Config() *config.Config { return f.cfg }

// ReadConfig reads the config as it is now.
func (f *Folder) ReadConfig() (*config.Config, error) {
	return readConfig(filepath.Join(f.dir, "config.json"))
}

func readConfig(path string) (*config.Config, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if st.Size() > maxConfig {
		return nil, fmt.Errorf("%s: %d bytes are too many for a config", path, st.Size())
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	cfg, err := config.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return cfg, nil
}

// explain turns a missing file into advice when dir is a checkpoint that has
// not been mounted.
func explain(dir string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if isCheckpoint(dir) || isCheckpoint(filepath.Join(dir, "original")) {
		return fmt.Errorf("%s is a checkpoint; mount it first: expertfs mount %s MOUNTPOINT, then use MOUNTPOINT as the model", dir, expertfs.ShellQuote(dir))
	}
	return fmt.Errorf("%s is not a model folder: %w", dir, err)
}

// isCheckpoint tells whether dir holds weights as they are published.
func isCheckpoint(dir string) bool {
	found, err := filepath.Glob(filepath.Join(escapeGlob(dir), "*"+expertfs.Suffix))
	return err == nil && len(found) > 0
}

// escapeGlob makes filepath.Glob take dir literally.
func escapeGlob(dir string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(dir)
}

// path is where a file of the tree lies.
func (f *Folder) path(name string) string { return filepath.Join(f.dir, name) }
