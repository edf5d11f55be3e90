package infer

import (
	"context"
	"fmt"
	"reflect"

	"expertfs/infer/experts"
)

// begin begins a batch of n tokens with the store of experts. If the mount has died
// and is back the model is loaded again first: what is open of a dead mount is of no
// use, and another checkpoint may be mounted there now. While it is not back every
// batch is an error.
func (e *Engine) begin(ctx context.Context, n int) error {
	if !e.lost {
		err := e.experts.Begin(ctx, n)
		if !experts.Gone(err) {
			return err
		}
		e.lost = true
	}
	if err := e.reopen(); err != nil {
		return err
	}
	e.lost = false
	return e.experts.Begin(ctx, n)
}

// reopen loads the weights of the folder again.
func (e *Engine) reopen() error {
	cfg, err := e.folder.ReadConfig()
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(cfg, e.cfg) {
		return fmt.Errorf("%s is another model now than the one that was opened", e.folder.Dir())
	}
	if err := e.experts.Reopen(); err != nil {
		return err
	}
	_ = e.dense.free() // files of a mount that is gone
	e.layers, e.head = nil, nil
	if e.dense, err = loadDense(e.folder, e.set.dense); err != nil {
		return err
	}
	e.build()
	return nil
}
