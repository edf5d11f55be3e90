package checkpoint

import (
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"expertfs"
	"expertfs/checkpoint/format"
	"expertfs/checkpoint/q8"
	"expertfs/checkpoint/source"
	"expertfs/checkpoint/source/mirror"
	"expertfs/checkpoint/source/remote"
	"expertfs/checkpoint/view"
)

// View is a file that is made of pieces of a checkpoint, Extent one of the pieces.
type (
	View   = view.View
	Extent = view.Extent
)

// viewFormat is the value of "format" in the metadata of every view.
const viewFormat = "expertfs/1"

// ProblemsError lists what is wrong with a checkpoint.
type ProblemsError = format.ProblemsError

// Checkpoint is an open checkpoint. It is safe for concurrent use until Close.
type Checkpoint struct {
	format.Model

	format     string
	name       string
	id         string
	expertSize int64
	mirrors    *mirror.Set // nil for none
}

// Open opens the checkpoint in a folder, in its original/ sub-folder, in a
// folder of Hugging Face's cache, inside the program ("embed:tiny"), or in a place
// on a network ("s3://bucket/prefix"). It reads headers, no tensor data. When the
// checkpoint is damaged or incomplete the error is a [*ProblemsError].
func Open(where string) (*Checkpoint, error) { return OpenWith(where, Options{}) }

// Options of OpenWith.
type Options struct {
	// Cache, when set, puts a cache around a place on a network.
	Cache func(*remote.Folder) (source.Folder, error)
	// PlainHTTP allows addresses that begin with http:// to leave this machine.
	PlainHTTP bool
	// Mirrors are paths of folders that hold the same files, or some of them, on other
	// drives: see package mirror. What is no copy of the checkpoint's own is an error.
	Mirrors []string
	Log     *slog.Logger // of the mirrors; nil logs nothing
}

// OpenWith is Open with options.
func OpenWith(where string, o Options) (*Checkpoint, error) {
	if err := canMirror(where, o); err != nil {
		return nil, err
	}
	places, err := resolve(where, o)
	if err == nil {
		places, err = mirrored(places, where, o)
	}
	if err != nil {
		return nil, err
	}
	return openFirst(places)
}

// OpenFolder opens the checkpoint in a folder, of whatever kind that is. Name is
// what to call the model.
func OpenFolder(f source.Folder, name string) (*Checkpoint, error) {
	return open(&format.Place{Folder: f, Name: name})
}

// open opens the checkpoint in a place.
func open(p *format.Place) (*Checkpoint, error) {
	f, _ := detect(p)
	if f == nil {
		return nil, nothing(p)
	}
	m, err := f.Open(p)
	if err != nil {
		return nil, err
	}
	c := &Checkpoint{Model: m, format: f.Name(), name: source.Printable(p.Name), mirrors: mirror.SetOf(p.Folder)}
	if err := c.verifyMirrors(); err != nil {
		c.Close()
		return nil, err
	}
	c.id = identity(m)
	c.expertSize = c.Expert(expertfs.Key{}).Size()
	return c, nil
}

// Format returns the name of the checkpoint's format.
func (c *Checkpoint) Format() string { return c.format }

// Name returns what to call the model: the name of its folder, "owner/name" in
// Hugging Face's cache, or "embed:tiny".
func (c *Checkpoint) Name() string { return c.name }

// ID identifies the checkpoint across runs: 32 hexadecimal digits that depend on
// its config and on the place of every tensor, not on weights or paths.
func (c *Checkpoint) ID() string { return c.id }

// ModTime returns the latest time of modification among the files with weights.
func (c *Checkpoint) ModTime() time.Time {
	var latest time.Time
	for _, f := range c.Files() {
		if t := f.Identity().ModTime; t.After(latest) {
			latest = t
		}
	}
	return latest
}

// Expert returns the view of one expert, made anew at each call. It panics when
// the model has no such expert, as an index does.
func (c *Checkpoint) Expert(k expertfs.Key) *View {
	if cfg := c.Config(); int(k.Layer) >= cfg.Layers || int(k.Expert) >= cfg.Experts {
		panic(fmt.Sprintf("%v is out of range", k))
	}
	b := view.NewBuilder(map[string]string{
		"format": viewFormat, "layer": strconv.Itoa(int(k.Layer)), "expert": strconv.Itoa(int(k.Expert)),
	})
	c.Model.Expert(b, k)
	return b.View()
}

// ExpertSize returns the length in bytes of every expert's view.
func (c *Checkpoint) ExpertSize() int64 { return c.expertSize }

// Dense returns the view of a layer's tensors outside its experts. It panics
// when layer is out of range, as an index does.
func (c *Checkpoint) Dense(layer int) *View {
	if layer < 0 || layer >= c.Config().Layers {
		panic("checkpoint: layer out of range")
	}
	b := view.NewBuilder(map[string]string{"format": viewFormat, "layer": strconv.Itoa(layer)})
	c.Model.Dense(b, layer)
	return b.View()
}

// DenseRounded returns the view of Dense with the matrices of attention rounded to
// 8 bits, in the order in which they are multiplied: see package q8.
func (c *Checkpoint) DenseRounded(layer int) *View {
	return q8.View(c.Dense(layer), "attn.qkv.weight", "attn.out.weight")
}

// UnembeddingRounded returns the view of Unembedding with its matrix rounded so.
func (c *Checkpoint) UnembeddingRounded() *View {
	return q8.View(c.Unembedding(), "unembedding.weight")
}

// Embedding returns the view of the embedding.
func (c *Checkpoint) Embedding() *View {
	b := view.NewBuilder(map[string]string{"format": viewFormat})
	c.Model.Embedding(b)
	return b.View()
}

// Unembedding returns the view of the last norm and the unembedding.
func (c *Checkpoint) Unembedding() *View {
	b := view.NewBuilder(map[string]string{"format": viewFormat})
	c.Model.Unembedding(b)
	return b.View()
}

// Path returns where file i of Files lies in the local filesystem, "" when it
// does not.
func (c *Checkpoint) Path(i int) string { return source.Path(c.Files()[i]) }

// Read reads len(p) bytes of a view from off on, one read after the other: for
// tools and tests. The NVMe tier reads faster.
func (c *Checkpoint) Read(v *View, p []byte, off int64) error {
	return v.ReadAt(source.Readers(c.Files()), p, off)
}

// ReadAll is Read of a whole view.
func (c *Checkpoint) ReadAll(v *View) ([]byte, error) {
	p := make([]byte, v.Size())
	return p, c.Read(v, p, 0)
}
