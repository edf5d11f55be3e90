package weights

import (
	"expertfs/infer/kernel"
)

// Precision is how the large dense matrices are kept: as they are in the file,
// or as 8-bit integers made once at load.
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
	Gate     kernel.BF16
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
	file, err := f.openFile(f.layerPath(n))
	if err != nil {
		return nil, err
	}
	l := &Layer{}
	c := &collector{file: file, precision: p, closers: &l.closers}
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
	file, err := f.openFile(f.unembeddingPath())
	if err != nil {
		return nil, err
	}
	h := &Head{}
	c := &collector{file: file, precision: p, closers: &h.closers}
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

// collector takes the tensors of one dense file, keeping the first error.
type collector struct {
	file      *file
	precision Precision
	closers   *[]func() error
	err       error
}

func (c *collector) vector(name string, n int) []float32 {
	if c.err != nil {
		return nil
	}
	var v []float32
	v, c.err = c.file.vector(name, n)
	return v
}

// small returns a matrix that stays bfloat16 whatever the precision; it is
// copied, so that it outlives the file.
func (c *collector) small(name string, rows, cols int) kernel.BF16 {
	m := c.inPlace(name, rows, cols)
	m.Data = append([]byte(nil), m.Data...)
	return m
}

func (c *collector) inPlace(name string, rows, cols int) kernel.BF16 {
	m := kernel.BF16{Rows: rows, Cols: cols}
	if c.err == nil {
		m.Data, c.err = c.file.tensor(name, "BF16", rows, cols)
	}
	return m
}

func (c *collector) matrix(name string, rows, cols int) Matrix {
	m := c.inPlace(name, rows, cols)
	if c.err != nil {
		return nil
	}
	if c.precision == BF16 {
		return &m
	}
	return kernel.QuantizeQ8(m)
}

// finish keeps the file mapped where matrices lie in it, and otherwise lets it
// go together with the pages it took: the quantised copy replaces it.
func (c *collector) finish() error {
	if c.err != nil || c.precision == Int8 {
		if err := c.file.closeAndDrop(); c.err == nil {
			c.err = err
		}
		return c.err
	}
	*c.closers = append(*c.closers, c.file.close)
	return nil
}
