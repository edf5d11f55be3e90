package infer

import (
	"errors"
	"sync"
	"sync/atomic"

	"expertfs/checkpoint/config"
	"expertfs/infer/experts"
	"expertfs/infer/kernel"
	"expertfs/infer/weights"
)

// Engine is a loaded model: layers, and what comes before and after them, on one
// pool of threads. Its sessions may be used from several goroutines; they take
// turns batch by batch, each with all threads. Run puts several into one batch.
type Engine struct {
	folder *weights.Folder
	cfg    *config.Config
	set    settings
	dense  *denseWeights

	machine *machine
	rope    *rope
	layers  []*layer
	head    *head

	experts *experts.Store[weights.Expert]
	prefer  *preference // nil: the router alone chooses

	published atomic.Pointer[Stats]

	mu     sync.Mutex   // held while a batch is computed; guards what follows, and what the blocks work in
	spare  *batchMemory // of no batch; nil: there is none
	hooks  Hooks
	stats  Stats
	lost   bool // the folder was gone, and the weights are to be loaded again
	closed bool
}

// Hooks let the owner of an engine see and replace the routing. They are called
// in order, layer by layer and piece by piece, from the goroutine that called Append
// or Run, whose thread may be bound to one CPU (a process started from there would be
// too), and must not keep the slice. A batch that failed is called for again.
type Hooks struct {
	// Route may overwrite experts, the choice for the token at position of s in
	// layer. They must stay distinct and valid.
	Route func(s *Session, layer, position int, experts []int)
	// OnRoute sees the experts that are used, best first.
	OnRoute func(s *Session, layer, position int, experts []int)
}

// errClosed answers calls on a closed engine.
var errClosed = errors.New("the model is closed")

// ShapeOf is the Shape of the engine that Open would return, and the most tokens of
// its sessions. No weights are loaded.
func ShapeOf(dir string, o Options) (shape *Shape, context int, err error) {
	folder, err := weights.Open(dir)
	if err != nil {
		return nil, 0, err
	}
	e := &Engine{cfg: folder.Config()}
	e.set, err = o.check(contextOf(e.cfg))
	return e.Shape(), e.set.context, errors.Join(err, folder.Close())
}

// contextOf is the most tokens that a model allows in a text.
func contextOf(c *config.Config) int { return int(float64(c.Rope.InitialContext) * c.Rope.Factor) }

// Open loads the dense weights of the model in dir, an expertfs mount or a
// plain copy of one. No expert is opened.
func Open(dir string, o Options) (*Engine, error) {
	folder, err := weights.Open(dir)
	if err != nil {
		return nil, err
	}
	cfg := folder.Config()
	set, err := o.check(contextOf(cfg))
	if err != nil {
		return nil, errors.Join(err, folder.Close())
	}
	e := &Engine{folder: folder, cfg: cfg, set: set}
	if err := e.load(o); err != nil {
		e.free()
		return nil, err
	}
	e.machine = &machine{pool: newPool(set.threads, set.strict), scratch: make([]kernel.Scratch, set.threads)}
	e.rope = newRope(cfg.HeadDim, cfg.Rope)
	e.build()
	e.publish()
	return e, nil
}

// load opens everything but the experts.
func (e *Engine) load(o Options) (err error) {
	e.experts, err = experts.Open(experts.Options{
		Dir: e.folder.Dir(), Names: e.folder.Names(), TopK: e.cfg.TopK,
		Keep: e.set.mapBytes, Prefetch: e.set.prefetch, Arena: e.folder.Arena(), Open: o.openExpert,
		Residency: e.set.prefer > 0,
	}, e.folder.Expert)
	if err != nil {
		return err
	}
	e.prefer = newPreference(e.set.prefer, e.cfg.Layers, e.cfg.Experts, e.cfg.TopK, e.experts.Residency, &e.stats)
	if o.Progress != nil {
		if err := watchLoad(e.folder, o.Progress); err != nil {
			return err
		}
		defer e.folder.OnLoad(nil) // a reload is told to nobody
	}
	e.dense, err = loadDense(e.folder, e.set.dense)
	return err
}

// build makes the model's blocks of the weights.
func (e *Engine) build() {
	c, threads := e.cfg, e.set.threads
	e.layers = nil
	ahead := &lookahead{m: e.machine, predictor: e.experts.Predictor, prefer: e.prefer, space: make([]lookSpace, threads)}
	mlp := newMLP(e.machine, c, e.set.act)
	mem := &attentionMemory{space: make([]attendSpace, threads)}
	mixed := &mixtureMemory{}
	for n, w := range e.dense.layers {
		l := &layer{
			attention: newAttention(e.machine, c, w, e.set, mem),
			mixture:   newMixture(e.machine, c, n, w, mlp, mixed),
		}
		l.mixture.experts, l.mixture.ahead, l.mixture.hooks, l.mixture.prefer = e.experts, ahead, &e.hooks, e.prefer
		e.layers = append(e.layers, l)
		ahead.layers = append(ahead.layers, l.mixture)
	}
	e.head = &head{
		m: e.machine, norm: norm{e.dense.head.Norm, float32(c.RMSEps)},
		unembedding: newLinear(e.dense.head.Unembedding, c.Vocab, c.Hidden, nil, e.set.dense, e.set.act),
	}
}

// Config is the model's dimensions; it must not be changed.
func (e *Engine) Config() *config.Config { return e.cfg }

// Context is the most tokens that a session can hold.
func (e *Engine) Context() int { return e.set.context }

// Threads is the number of threads that compute.
func (e *Engine) Threads() int { return e.set.threads }

// Bound tells whether each of the threads is bound to a CPU of its own.
func (e *Engine) Bound() bool { return e.machine.cpus != nil }

// Act is the precision of activations: "f32", "bf16" or "int8".
func (e *Engine) Act() string { return e.set.act.String() }

// Dense is the precision of attention and unembedding: "bf16" or "int8".
func (e *Engine) Dense() string { return e.set.dense.String() }

// Shape is what the memory of sessions and their States depends on.
func (e *Engine) Shape() *Shape {
	return &Shape{
		Sliding: e.cfg.Sliding, Window: e.cfg.Window, Heads: e.cfg.KVHeads, HeadDim: e.cfg.HeadDim, KV: e.set.kv,
		Vocab: e.cfg.Vocab, Batch: e.set.batch,
	}
}

// PreferResident is how many logits experts in RAM are preferred by.
func (e *Engine) PreferResident() float64 { return e.set.prefer }

// KV is how keys and values are kept: "f32", "bf16" or "q8".
func (e *Engine) KV() string { return e.set.kv.String() }

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
	s := e.stats
	s.Stats = e.experts.Stats()
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
	e.machine.close()
	return e.free()
}

// free unmaps all weights.
func (e *Engine) free() error {
	var all []error
	if e.experts != nil {
		all = append(all, e.experts.Close())
	}
	return errors.Join(append(all, e.dense.free(), e.folder.Close())...)
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
