package format

import (
	"iter"

	"expertfs"
	"expertfs/checkpoint/config"
	"expertfs/checkpoint/source"
	"expertfs/checkpoint/view"
)

// Format is a way in which checkpoints are stored. It has no state.
type Format interface {
	// Name is what the user reads: one word.
	Name() string
	// Detect tells what of this format a place holds, damaged files included.
	// It reads headers at most.
	Detect(p *Place) Found
	// Open opens a checkpoint that Detect has recognised and checks, by
	// headers, that it is whole; if not, its error is a [*ProblemsError] or
	// one line.
	Open(p *Place) (Model, error)
}

// Found is what of a format is in a place.
type Found int

const (
	Nothing Found = iota
	Traces        // files that speak of weights, and no weights
	Weights       // a file with weights at least
)

// Place is where a checkpoint may be.
type Place struct {
	Folder source.Folder
	File   string // the one file that the user named; "" for the folder
	Name   string // what people call the model

	// Beside is where small files are that Folder lacks; nil for nowhere. Of
	// those only the ones named in BesideFiles are taken.
	Beside      source.Folder
	BesideFiles []string
}

// Model is an open checkpoint. Its methods may be called concurrently.
type Model interface {
	// Form tells people which variety of the format this is: a few words, which
	// may be none.
	Form() string
	// Config returns the model's dimensions and constants. It is not modified.
	Config() *config.Config
	// Files returns the files with weights; a view.Extent's File is an index
	// into them. None needs an alignment.
	Files() []source.Source
	// Small returns the files beside the weights, as a mount shows them: read
	// or made by the format.
	Small() []source.Source
	// Stored lists where every tensor of the model lies, in a fixed order.
	Stored() iter.Seq[Stored]

	// Expert, Dense, Embedding and Unembedding add the tensors of a file to
	// the view of it. Layer and expert are in range.
	Expert(b *view.Builder, k expertfs.Key)
	Dense(b *view.Builder, layer int)
	Embedding(b *view.Builder)
	Unembedding(b *view.Builder)

	Close() error
}

// Stored is a tensor as it lies in a checkpoint.
type Stored struct {
	Name string // in the checkpoint
	view.Extent
}
