package checkpoint

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"expertfs/checkpoint/config"
	"expertfs/checkpoint/safetensors"
)

// maxConfig is the largest config.json, in bytes, that is read.
const maxConfig = 1 << 20

// Checkpoint is an open checkpoint. It is safe for concurrent use until Close.
type Checkpoint struct {
	config     *config.Config
	layout     Layout
	name       string
	id         string
	expertSize int64

	files  []*File
	small  []*SmallFile
	places map[string]place
}

// place says where a tensor lies.
type place struct {
	file int // index into files
	safetensors.Tensor
}

// Open opens the checkpoint in a folder, in its original/ sub-folder, in a
// folder of Hugging Face's cache, or inside the program ("embed:tiny"). It reads
// headers, no tensor data. When the checkpoint is damaged or incomplete the
// error is a [*ProblemsError].
func Open(path string) (*Checkpoint, error) {
	f, err := resolve(path)
	if err != nil {
		return nil, err
	}
	return open(f)
}

// open opens the checkpoint of a folder.
func open(f *folder) (*Checkpoint, error) {
	c := &Checkpoint{name: f.name, places: map[string]place{}}
	if err := c.load(f); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// load fills in a checkpoint; the caller closes it after an error.
func (c *Checkpoint) load(f *folder) error {
	text, err := f.readFile(configName, maxConfig)
	if err != nil {
		return err
	}
	if c.config, err = config.Parse(text); err != nil {
		return fmt.Errorf("%s: %w", f.describe(configName), err)
	}
	if err := c.openShards(f); err != nil {
		return err
	}
	if err := c.openSmall(f); err != nil {
		return err
	}
	c.id = c.fingerprint()
	c.expertSize = c.Expert(0, 0).Size()
	return nil
}

// fingerprint hashes the config and the place of every tensor.
func (c *Checkpoint) fingerprint() string {
	h := sha256.New()
	fmt.Fprintf(h, "%+v\n", *c.config)
	for _, t := range Tensors(c.config, c.layout) {
		p := c.places[t.Name]
		fmt.Fprintf(h, "%d %q %d %d\n", p.file, p.Name, p.Offset, p.Length)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Config returns the model's dimensions and constants. It must not be modified.
func (c *Checkpoint) Config() *config.Config { return c.config }

// Layout returns how the checkpoint names its tensors.
func (c *Checkpoint) Layout() Layout { return c.layout }

// Name returns what to call the model: the name of its folder, "owner/name" in
// Hugging Face's cache, or "embed:tiny".
func (c *Checkpoint) Name() string { return c.name }

// ID identifies the checkpoint across runs: 32 hexadecimal digits that depend on
// its config and on the place of every tensor, not on weights or paths.
func (c *Checkpoint) ID() string { return c.id }

// ModTime returns the latest time of modification among the files with weights.
func (c *Checkpoint) ModTime() time.Time {
	var latest time.Time
	for _, f := range c.files {
		if f.ModTime().After(latest) {
			latest = f.ModTime()
		}
	}
	return latest
}

// Files returns the files with weights; an Extent's File is an index into them.
func (c *Checkpoint) Files() []*File { return c.files }

// Small returns the files beside the weights, sorted by name within each folder.
func (c *Checkpoint) Small() []*SmallFile { return c.small }

// Close closes the files. Nobody may be reading them any more.
func (c *Checkpoint) Close() error {
	var errs []error
	for _, f := range slices.Concat(c.files, c.small) {
		errs = append(errs, f.closer.Close())
	}
	return errors.Join(errs...)
}
