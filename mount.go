package expertfs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// Mount is a model whose experts are files: a mount, or a folder copied from one.
// Its methods may be called concurrently.
type Mount struct {
	dir    string
	names  Names
	opener *Opener

	mu     sync.Mutex
	hints  *os.File // nil before the first hint, and where nobody takes any
	closed bool
}

// ErrNotMounted says that a folder is a plain copy: nobody counts what is read
// there, and it has no budget.
var ErrNotMounted = errors.New("a plain folder, not a mount")

// Open opens the model in dir. How many layers and experts it has it takes from
// the tree itself. The mount must be closed.
func Open(dir string) (*Mount, error) {
	names, err := readNames(dir)
	if err != nil {
		return nil, err
	}
	return &Mount{dir: dir, names: names, opener: NewOpener(dir, names)}, nil
}

// readNames counts layers and experts, and makes sure that none is missing.
func readNames(dir string) (n Names, err error) {
	layers, err := readNumbered(filepath.Join(dir, LayersDir), func(count int, name string) bool {
		_, ok := Names{Layers: count}.ParseLayer(name)
		return ok
	})
	if errors.Is(err, fs.ErrNotExist) {
		return n, fmt.Errorf("%s is neither a mount nor a folder copied from one: %w", dir, err)
	}
	if err != nil {
		return n, err
	}
	n.Layers = layers
	n.Experts, err = readNumbered(filepath.Join(dir, n.LayerDir(0), ExpertsDir), func(count int, name string) bool {
		_, ok := Names{Experts: count}.ParseExpert(name)
		return ok
	})
	return n, err
}

// readNumbered counts the entries of a folder, each of which has to be a name of
// one of so many.
func readNumbered(dir string, valid func(count int, name string) bool) (int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, ExplainDead(dir, err)
	}
	count := len(entries)
	wrong := slices.IndexFunc(entries, func(e fs.DirEntry) bool { return !valid(count, e.Name()) })
	switch {
	case count == 0:
		return 0, fmt.Errorf("%s is empty: is the copy complete?", dir)
	case wrong >= 0:
		return 0, fmt.Errorf("%s has %d entries, and %s is not one of as many: is the copy complete?", dir, count, entries[wrong].Name())
	}
	return count, nil
}

// Names spells the tree, and says how many layers and experts the model has.
func (m *Mount) Names() Names { return m.names }

// Path is where a path of this package, as ExpertPath gives them, is in the
// system.
func (m *Mount) Path(path string) string { return filepath.Join(m.dir, filepath.FromSlash(path)) }

// OpenExpert returns an expert when it is in RAM, by the best way there is. See
// Opener.Open for its errors.
func (m *Mount) OpenExpert(k Key) (*ExpertFile, error) {
	if int(k.Layer) >= m.names.Layers || int(k.Expert) >= m.names.Experts {
		return nil, fmt.Errorf("%v: the model has %d layers of %d experts: %w", k, m.names.Layers, m.names.Experts, fs.ErrNotExist)
	}
	return m.opener.Open(k)
}

// Hint tells the mount one line of hints. On a plain folder it does nothing. The
// error of a hint that the mount refuses is EINVAL; Stats then has the reason. After
// Close it is os.ErrClosed.
func (m *Mount) Hint(verb Verb, keys ...Key) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return os.ErrClosed
	}
	if m.hints == nil {
		f, err := os.OpenFile(m.Path(ControlPath(HintsFile)), os.O_WRONLY, 0)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		m.hints = f
	}
	_, err := m.hints.Write(m.names.AppendHint(nil, verb, keys...))
	return err
}

// Stats reads the figures of the mount.
func (m *Mount) Stats() (*Stats, error) { return ReadStats(m.dir) }

// Budget is how many bytes of experts the mount keeps in RAM at most.
func (m *Mount) Budget() (int64, error) { return ReadBudget(m.dir) }

// Close ends the use of the mount. Experts that are open stay good.
func (m *Mount) Close() error {
	m.opener.Close()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	if m.hints == nil {
		return nil
	}
	err := m.hints.Close()
	m.hints = nil
	return err
}

// ReadStats reads the figures of the mount at root, ErrNotMounted for a plain
// folder.
func ReadStats(root string) (*Stats, error) {
	text, path, err := readControl(root, StatsJSONFile)
	if err != nil {
		return nil, err
	}
	s := new(Stats)
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// ReadBudget reads the budget of the mount at root, ErrNotMounted for a plain
// folder.
func ReadBudget(root string) (int64, error) {
	text, path, err := readControl(root, RAMFile)
	if err != nil {
		return 0, err
	}
	n, err := ParseSize(string(text))
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return n, nil
}

// readControl reads a control file. The error of a dead mount is ErrDead.
func readControl(root, name string) (text []byte, path string, err error) {
	path = filepath.Join(root, ControlDir, name)
	text, err = os.ReadFile(path)
	err = ExplainDead(root, err)
	if errors.Is(err, fs.ErrNotExist) {
		if _, there := os.Stat(root); there == nil {
			err = fmt.Errorf("%s: %w", root, ErrNotMounted)
		}
	}
	return text, path, err
}
