package weights

import (
	"bytes"

	"expertfs"
	"expertfs/infer/kernel"
)

// Precision is how the large dense matrices are kept: as they are in the file,
// or as 8-bit integers that the folder has, or that are made once at load.
type Precision int

const (
	BF16 Precision = iota
	Int8
)

// String returns the name that options use.
func (p Precision) String() string {
	if p == Int8 {
		return "int8"
	}
	return "bf16"
}

// Matrix is a dense matrix of either precision; dst, lo and hi as in package
// kernel: the caller splits rows over threads.
type Matrix interface {
	MulVec(dst []float32, x *kernel.Vec, lo, hi int)
	MulBatch(dst []float32, stride int, x *kernel.Batch, lo, hi int, scratch *kernel.Scratch)
}

// Layer is the dense part of one layer. H is the hidden size, Q the number of
// query heads, K of key/value heads, D the head dimension, E the experts.
type Layer struct {
	AttnNorm []float32 // [H]
	QKV      Matrix    // [(Q+2K)*D][H]: queries, then keys, then values
	QKVBias  []float32 // [(Q+2K)*D]
	Sinks    []float32 // [Q]
	Out      Matrix    // [H][Q*D]
	OutBias  []float32 // [H]
	MLPNorm  []float32 // [H]
	Gate     Matrix    // [E][H], as it is in the file
	GateBias []float32 // [E]

	closers []func() error
}

// Head is the final norm and the projection onto the vocabulary of V ids.
type Head struct {
	Norm        []float32 // [H]
	Unembedding Matrix    // [V][H]

	closers []func() error
}

// Layer loads the dense part of one layer.
func (f *Folder) Layer(n int, p Precision) (*Layer, error) {
	l := &Layer{}
	c, err := f.collect(f.names.DensePath(n), n, p, &l.closers)
	if err != nil {
		return nil, err
	}
	qkv := (f.cfg.Heads + 2*f.cfg.KVHeads) * f.cfg.HeadDim
	h := f.cfg.Hidden
	l.AttnNorm = c.vector("attn.norm.scale", h)
	l.QKV = c.matrix("attn.qkv.weight", qkv, h)
	l.QKVBias = c.vector("attn.qkv.bias", qkv)
	l.Sinks = c.vector("attn.sinks", f.cfg.Heads)
	l.Out = c.matrix("attn.out.weight", h, f.cfg.Heads*f.cfg.HeadDim)
	l.OutBias = c.vector("attn.out.bias", h)
	l.MLPNorm = c.vector("mlp.norm.scale", h)
	l.Gate = c.small("mlp.gate.weight", f.cfg.Experts, h)
	l.GateBias = c.vector("mlp.gate.bias", f.cfg.Experts)
	if err := c.finish(); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// Head loads the final norm and the unembedding.
func (f *Folder) Head(p Precision) (*Head, error) {
	h := &Head{}
	c, err := f.collect(expertfs.UnembeddingPath, f.cfg.Layers, p, &h.closers)
	if err != nil {
		return nil, err
	}
	h.Norm = c.vector("norm.scale", f.cfg.Hidden)
	h.Unembedding = c.matrix("unembedding.weight", f.cfg.Vocab, f.cfg.Hidden)
	if err := c.finish(); err != nil {
		h.Close()
		return nil, err
	}
	return h, nil
}

// Close frees the layer's memory.
func (l *Layer) Close() error { return closeAll(l.closers) }

// Close frees the head's memory.
func (h *Head) Close() error { return closeAll(h.closers) }

func closeAll(closers []func() error) error {
	var first error
	for _, c := range closers {
		if err := c(); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// denseFile is an open file with dense weights: mapped, or read once.
type denseFile interface {
	tensor(name string, dtypes []string, shape ...int) (data []byte, dtype string, err error)
	matrix(name string, rows, cols int) (Matrix, error)
	close() error
}

// collector takes the tensors of one dense file, keeping the first error.
type collector struct {
	denseFile
	mapped  bool // matrices lie in the file
	closers *[]func() error
	err     error
}

// collect opens a dense file, or the one beside it in which matrices are rounded:
// mapped where its matrices are used in place. Rounded ones are made here of what is
// read where the folder has none, as plain folders, or has no room for them. layer is
// the number of layers for the unembedding.
func (f *Folder) collect(path string, layer int, p Precision, closers *[]func() error) (c *collector, err error) {
	c = &collector{mapped: true, closers: closers}
	if p != Int8 {
		c.denseFile, err = f.openFile(f.path(path))
	} else {
		c.denseFile, err = f.openRounded(layer)
	}
	if err != nil {
		return nil, err
	}
	if c.denseFile != nil {
		f.loadAll(path)
		return c, nil
	}
	c.mapped = false
	s, err := openStream(f.path(path))
	if err != nil {
		return nil, err
	}
	s.load = f.load
	c.denseFile = s
	return c, nil
}

// vector returns a tensor of n elements as float32.
func (c *collector) vector(name string, n int) []float32 {
	if c.err != nil {
		return nil
	}
	var data []byte
	var dtype string
	if data, dtype, c.err = c.denseFile.tensor(name, floats, n); c.err != nil {
		return nil
	}
	return decode(dtype, data)
}

// small returns a matrix that stays as it is whatever the precision; it is copied,
// so that it outlives the file.
func (c *collector) small(name string, rows, cols int) Matrix {
	if c.err != nil {
		return nil
	}
	var m Matrix
	if m, c.err = matrixOf(c.denseFile, name, rows, cols); c.err != nil {
		return nil
	}
	switch m := m.(type) {
	case *kernel.BF16:
		m.Data = bytes.Clone(m.Data)
	case *kernel.Wide:
		return m.Floats()
	}
	return m
}

// matrixOf returns a matrix of the bytes in a file.
func matrixOf(f denseFile, name string, rows, cols int) (Matrix, error) {
	data, dtype, err := f.tensor(name, matrices, rows, cols)
	switch {
	case err != nil:
		return nil, err
	case dtype == "BF16":
		return &kernel.BF16{Rows: rows, Cols: cols, Data: data}, nil
	}
	m := &kernel.Wide{Rows: rows, Cols: cols, Kind: wideKinds[dtype], Data: data}
	if dtype == "I8" {
		m.Scales, _, err = f.tensor(name+scalesSuffix, []string{"F16"}, scalesShape(rows, cols)...)
	}
	return m, err
}

func (c *collector) matrix(name string, rows, cols int) Matrix {
	if c.err != nil {
		return nil
	}
	var m Matrix
	m, c.err = c.denseFile.matrix(name, rows, cols)
	return m
}

// finish keeps the file open where matrices lie in it.
func (c *collector) finish() error {
	if c.err == nil && c.mapped {
		*c.closers = append(*c.closers, c.close)
		return nil
	}
	if err := c.close(); c.err == nil {
		c.err = err
	}
	return c.err
}
