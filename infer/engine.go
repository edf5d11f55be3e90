package infer

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"expertfs/checkpoint/config"
	"expertfs/infer/kernel"
	"expertfs/infer/weights"
)

// Engine is a loaded model. Its sessions may be used from several goroutines;
// they take turns batch by batch, each with all threads.
type Engine struct {
	folder *weights.Folder
	cfg    *config.Config
	set    settings

	embedding *weights.Embedding
	layers    []*weights.Layer
	head      *weights.Head
	rope      *rope
	pool      *pool
	experts   *expertStore
	predictor *predictor

	published atomic.Pointer[Stats]

	mu     sync.Mutex // held while a session computes; guards what follows
	work   workspace
	hooks  Hooks
	stats  Stats
	closed bool
}

// Hooks let the owner of an engine see and replace the routing. They are called
// in order, layer by layer, from the goroutine that called Append, whose thread may
// be bound to one CPU (a process started from there would be too), and must not
// keep the slice.
type Hooks struct {
	// Route may overwrite experts, the router's choice for the token at position
	// in layer. They must stay distinct and valid.
	Route func(layer, position int, experts []int)
	// OnRoute sees the experts that are used, best first.
	OnRoute func(layer, position int, experts []int)
}

// errClosed answers calls on a closed engine.
var errClosed = errors.New("the model is closed")

// Open loads the dense weights of the model in dir, an expertfs mount or a
// plain copy of one. No expert is opened.
func Open(dir string, o Options) (*Engine, error) {
	folder, err := weights.Open(dir)
	if err != nil {
		return nil, err
	}
	cfg := folder.Config()
	set, err := o.check(int(float64(cfg.Rope.InitialContext) * cfg.Rope.Factor))
	if err != nil {
		return nil, OptionError{err}
	}
	e := &Engine{folder: folder, cfg: cfg, set: set, rope: newRope(cfg.HeadDim, cfg.Rope)}
	if err := e.load(); err != nil {
		e.freeWeights()
		return nil, err
	}
	e.pool = newPool(set.threads, set.strict)
	e.work.scores = make([][]float32, set.threads)
	e.work.scratch = make([]kernel.Scratch, set.threads)
	e.publish()
	return e, nil
}

// load opens everything but the experts.
func (e *Engine) load() (err error) {
	hints, err := e.folder.Hints()
	if err != nil {
		return err
	}
	keep, err := newKeeper(e.folder, e.set.mapBytes, hints != nil)
	if err != nil {
		return errors.Join(err, hints.Close())
	}
	e.experts = newExpertStore(e.folder, hints, keep)
	e.predictor = newPredictor(e.set.prefetch, e.cfg.Layers, e.cfg.Experts, e.set.threads)
	if e.embedding, err = e.folder.Embedding(); err != nil {
		return err
	}
	return e.loadDense()
}

// loadDense loads several layers at a time, so that the drive works while
// weights are rounded. The head, much the largest, has the drive to itself.
func (e *Engine) loadDense() error {
	if err := guard(func() (err error) {
		e.head, err = e.folder.Head(e.set.dense)
		return err
	}); err != nil {
		return err
	}
	var g errgroup.Group
	g.SetLimit(3)
	e.layers = make([]*weights.Layer, e.cfg.Layers)
	for n := range e.layers {
		g.Go(func() error {
			return guard(func() (err error) {
				e.layers[n], err = e.folder.Layer(n, e.set.dense)
				return err
			})
		})
	}
	return g.Wait()
}

// Config is the model's dimensions; it must not be changed.
func (e *Engine) Config() *config.Config { return e.cfg }

// Context is the most tokens that a session can hold.
func (e *Engine) Context() int { return e.set.context }

// Threads is the number of threads that compute.
func (e *Engine) Threads() int { return e.set.threads }

// Bound tells whether each of the threads is bound to a CPU of its own.
func (e *Engine) Bound() bool { return e.pool.cpus != nil }

// Act is the precision of activations: "f32", "bf16" or "int8".
func (e *Engine) Act() string { return e.set.act.String() }

// Dense is the precision of attention and unembedding: "bf16" or "int8".
func (e *Engine) Dense() string { return e.set.dense.String() }

// SetHooks replaces the engine's hooks.
func (e *Engine) SetHooks(h Hooks) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.hooks = h
}

// Stats returns what was counted since the engine was opened, up to the last
// batch that ended. It does not wait for a session that computes.
func (e *Engine) Stats() Stats { return *e.published.Load() }

// publish makes the counters known to Stats.
func (e *Engine) publish() {
	s, x := e.stats, e.experts.stats
	s.Waited, s.Used, s.Opened, s.OpenedBytes = x.Waited, x.Used, x.Opened, x.OpenedBytes
	s.HintsLost = e.experts.hints.Lost()
	s.Prediction = slices.Clone(e.predictor.counts)
	s.Ahead = e.predictor.ahead
	e.published.Store(&s)
}

// Close ends the threads and unmaps all weights. Sessions are of no use then.
func (e *Engine) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil
	}
	e.closed = true
	e.pool.close()
	return e.freeWeights()
}

func (e *Engine) freeWeights() error {
	var all []error
	if e.experts != nil {
		all = append(all, e.experts.close())
	}
	if e.embedding != nil {
		all = append(all, e.embedding.Close())
	}
	for _, l := range e.layers {
		if l != nil {
			all = append(all, l.Close())
		}
	}
	if e.head != nil {
		all = append(all, e.head.Close())
	}
	all = append(all, e.folder.Close())
	return errors.Join(all...)
}

// Parameters is the number of the model's weights.
func (e *Engine) Parameters() int64 {
	c := e.cfg
	h, i, q := int64(c.Hidden), int64(c.Intermediate), int64(c.QKVRows())
	heads := int64(c.Heads)
	expert := 2*i*(h+1) + h*(i+1)
	attention := q*(h+1) + heads + h*(heads*int64(c.HeadDim)+1)
	layer := 2*h + attention + int64(c.Experts)*(h+1+expert)
	return int64(c.Layers)*layer + 2*int64(c.Vocab)*h + h
}
