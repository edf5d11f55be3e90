package weights

import (
	"bytes"
	"fmt"
	"sync/atomic"

	"expertfs"
	"expertfs/checkpoint/mxfp4"
	"expertfs/infer/kernel"
	"expertfs/infer/mapped"
)

// Expert is one expert's weights, lying in its mapped file. I is the model's
// intermediate size, H its hidden size.
type Expert struct {
	W1 kernel.MXFP4 // [2*I][H]; row 2i is the gate, row 2i+1 the linear part
	W2 kernel.MXFP4 // [H][I]
	B1 Bias         // [2*I]
	B2 Bias         // [H]
}

// Expert finds the weights of expert k in its file. They are valid as long as the
// file is mapped.
func (f *Folder) Expert(k expertfs.Key, m *mapped.File) (Expert, error) {
	var e Expert
	x, err := f.readFile(m)
	if err != nil {
		return e, err
	}
	if err := e.locate(f, x); err != nil {
		return e, err
	}
	return e, f.checked.check(k, x, &e)
}

// locate finds the tensors in the mapped file.
func (e *Expert) locate(f *Folder, x *file) error {
	h, i := f.cfg.Hidden, f.cfg.Intermediate
	var err error
	if e.W1, err = x.mxfp4("mlp1_weight", 2*i, h); err != nil {
		return err
	}
	if e.W2, err = x.mxfp4("mlp2_weight", h, i); err != nil {
		return err
	}
	if e.B1, err = x.bias("mlp1_bias", 2*i); err != nil {
		return err
	}
	e.B2, err = x.bias("mlp2_bias", h)
	return err
}

func (f *file) bias(name string, n int) (Bias, error) {
	data, dtype, err := f.tensor(name, []string{"BF16", "F32"}, n)
	return Bias{data, dtype == "F32"}, err
}

func (f *file) mxfp4(name string, rows, cols int) (m kernel.MXFP4, err error) {
	blocks := cols / mxfp4.BlockLen
	m = kernel.MXFP4{Rows: rows, Cols: cols}
	if m.Blocks, _, err = f.tensor(name+".blocks", []string{"U8"}, rows, blocks, mxfp4.BlockBytes); err != nil {
		return m, err
	}
	m.Scales, _, err = f.tensor(name+".scales", []string{"U8"}, rows, blocks)
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

func (c *checkedExperts) check(k expertfs.Key, x *file, e *Expert) error {
	done := &c.done[int(k.Layer)*c.experts+int(k.Expert)]
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
				x.Path, m.name, at/perRow, at%perRow)
		}
	}
	done.Store(true)
	return nil
}
