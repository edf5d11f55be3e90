package heat

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"expertfs"
	"expertfs/policy"
)

var (
	// ErrOtherModel says that a heat file is of another model. A mount ignores
	// such a file, with a warning, and leaves it as it is.
	ErrOtherModel = errors.New("the heat is of another model")
	// ErrNotHeat says that a file is not a heat file of a version known here.
	// Such a file is never replaced.
	ErrNotHeat = errors.New("not a heat file that this version of expertfs knows")
)

const (
	format  = "expertfs heat"
	version = 1
	maxSize = 64 << 20 // of a file, far above that of the largest shape
)

type file struct {
	Format  string  `json:"format"`
	Version int     `json:"version"`
	Model   string  `json:"model"`
	Experts int     `json:"experts"` // per layer
	Layers  []layer `json:"layers"`
}

type layer struct {
	Visits int       `json:"visits"`
	Rates  []float32 `json:"rates"`
}

// Load reads the heat of a model. It fails with fs.ErrNotExist where there is
// no file yet, with ErrOtherModel, or with ErrNotHeat.
func Load(path, model string, s expertfs.Shape) (*policy.Heat, error) {
	f, err := read(path)
	if err != nil {
		return nil, err
	}
	if f.Model != model || f.Experts != s.Experts || len(f.Layers) != s.Layers {
		return nil, fmt.Errorf("%s: %w", path, ErrOtherModel)
	}
	h := policy.NewHeat(s)
	for l, from := range f.Layers {
		for e, rate := range from.Rates {
			h.Set(expertfs.Key{Layer: uint16(l), Expert: uint16(e)}, rate, from.Visits)
		}
	}
	return h, nil
}

func read(path string) (*file, error) {
	r, err := openNow(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	info, err := r.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxSize {
		return nil, fmt.Errorf("%s: %w", path, ErrNotHeat)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	var f file
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", path, ErrNotHeat, err)
	}
	if f.Format != format || f.Version != version {
		return nil, fmt.Errorf("%s: %w", path, ErrNotHeat)
	}
	for l, layer := range f.Layers {
		if len(layer.Rates) != f.Experts {
			return nil, fmt.Errorf("%s: %w: layer %d has %d experts, not %d", path, ErrNotHeat, l, len(layer.Rates), f.Experts)
		}
	}
	return &f, nil
}

// Check tells whether Save may write to path: there is no file, an empty one,
// or a heat file. That one may be of another model, which Load tells: whether to
// replace it then is up to the caller. A command that saves at its end checks at
// its beginning.
func Check(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().IsRegular() && info.Size() == 0 {
		return nil
	}
	_, err = read(path)
	return err
}

// Save writes the heat of a model so that at every moment, whatever fails, the
// path names the whole old or the whole new file. It follows a symbolic link,
// and refuses to replace what is not a heat file.
func Save(path, model string, s expertfs.Shape, h *policy.Heat) error {
	if err := Check(path); err != nil {
		return err
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	f := file{Format: format, Version: version, Model: model, Experts: s.Experts, Layers: make([]layer, s.Layers)}
	for l := range f.Layers {
		f.Layers[l] = layer{Visits: h.Visits(l), Rates: make([]float32, s.Experts)}
		for e := range s.Experts {
			f.Layers[l].Rates[e] = h.Rate(expertfs.Key{Layer: uint16(l), Expert: uint16(e)})
		}
	}
	text, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("write heat: %w", err)
	}
	return replace(path, append(text, '\n'))
}

// openNow opens a file to be read. It does not wait for the writer of a FIFO, as
// os.Open does: what stands at a path is looked at before anything is read from it.
func openNow(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

// replace writes a file beside path and moves it there.
func replace(path string, text []byte) (err error) {
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(temp.Name())
		}
	}()
	_, err = temp.Write(text)
	if err == nil {
		err = temp.Chmod(0o644)
	}
	if err == nil {
		err = temp.Sync()
	}
	if closeErr := temp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	return err
}
