package weights

import (
	"bytes"
	"fmt"
	"sync/atomic"

	"expertfs"
	"expertfs/checkpoint/mxfp4"
	"expertfs/infer/kernel"
)

// Expert is one expert's weights, lying in its mapped file. I is the model's
// intermediate size, H its hidden size.
type Expert struct {
	Layer, Index int
	W1           kernel.MXFP4 // [2*I][H]; row 2i is the gate, row 2i+1 the linear part
	W2           kernel.MXFP4 // [H][I]
	B1           []byte       // bfloat16 [2*I]
	B2           []byte       // bfloat16 [H]

	file *file
}

// Bytes is the size of the expert's file.
func (e *Expert) Bytes() int64 { return int64(len(e.file.data)) }

// Close unmaps the expert and closes its file.
func (e *Expert) Close() error { return e.file.close() }

// Refresh brings pages back that the kernel dropped since the expert was
// mapped. Experts of a mount stay as they are; a plain file's pages may go.
func (e *Expert) Refresh() error {
	if err := e.file.populate(); err != nil {
		return fmt.Errorf("%s: %w", e.file.path, err)
	}
	return nil
}

// Expert opens and maps one expert. On a mount the call blocks until the
// expert's bytes are in RAM.
func (f *Folder) Expert(layer, expert int) (*Expert, error) {
	if layer < 0 || layer >= f.cfg.Layers || expert < 0 || expert >= f.cfg.Experts {
		return nil, fmt.Errorf("there is no expert %d in layer %d", expert, layer)
	}
	file, err := f.openFile(f.path(f.names.ExpertPath(expertfs.NewKey(layer, expert))))
	if err != nil {
		return nil, err
	}
	e := &Expert{Layer: layer, Index: expert, file: file}
	located := false
	defer func() { // also when reading the mapping faults
		if !located {
			file.close()
		}
	}()
	if err := e.locate(f); err != nil {
		return nil, err
	}
	located = true
	return e, nil
}

// locate finds the tensors in the mapped file.
func (e *Expert) locate(f *Folder) error {
	h, i := f.cfg.Hidden, f.cfg.Intermediate
	var err error
	if e.W1, err = e.matrix("mlp1_weight", 2*i, h); err != nil {
		return err
	}
	if e.W2, err = e.matrix("mlp2_weight", h, i); err != nil {
		return err
	}
	if e.B1, err = e.file.tensor("mlp1_bias", "BF16", 2*i); err != nil {
		return err
	}
	if e.B2, err = e.file.tensor("mlp2_bias", "BF16", h); err != nil {
		return err
	}
	return f.checked.check(e)
}

func (e *Expert) matrix(name string, rows, cols int) (m kernel.MXFP4, err error) {
	blocks := cols / mxfp4.BlockLen
	m = kernel.MXFP4{Rows: rows, Cols: cols}
	if m.Blocks, err = e.file.tensor(name+".blocks", "U8", rows, blocks, mxfp4.BlockBytes); err != nil {
		return m, err
	}
	m.Scales, err = e.file.tensor(name+".scales", "U8", rows, blocks)
	return m, err
}

// checkedExperts remembers which experts' scales were looked at: once is enough
// for files that do not change, and a pass over 0.8 MB of scales at every open
// would be felt.
type checkedExperts struct {
	experts int
	done    []atomic.Bool // [layer*experts + expert]
}

func (c *checkedExperts) init(layers, experts int) {
	c.experts, c.done = experts, make([]atomic.Bool, layers*experts)
}

func (c *checkedExperts) check(e *Expert) error {
	done := &c.done[e.Layer*c.experts+e.Index]
	if done.Load() {
		return nil
	}
	for _, m := range []struct {
		name   string
		matrix *kernel.MXFP4
	}{{"mlp1_weight.scales", &e.W1}, {"mlp2_weight.scales", &e.W2}} {
		if at := bytes.IndexByte(m.matrix.Scales, mxfp4.ScaleNaN); at >= 0 {
			perRow := m.matrix.Cols / mxfp4.BlockLen
			return fmt.Errorf("%s: tensor %s: scale of row %d, block %d is 255 (not a number)",
				e.file.path, m.name, at/perRow, at%perRow)
		}
	}
	done.Store(true)
	return nil
}
