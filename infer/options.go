package infer

import (
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"

	"expertfs"
	"expertfs/infer/experts"
	"expertfs/infer/kernel"
	"expertfs/infer/weights"
)

// Options says how an Engine computes. The zero value is a good choice.
type Options struct {
	Act      string // activations: "f32", "bf16" or "int8"; "" is DefaultAct
	Dense    string // attention and unembedding: "bf16" or "int8"; "" goes with Act
	KV       string // keys and values: "f32", "bf16" or "q8"; "" goes with Act
	Threads  int    // 0: GOMAXPROCS, which had better be raised by a few for goroutines that open experts
	AnyCPU   bool   // do not bind threads to CPUs, should there be as many of both; for CPUs of unequal speed
	Context  int    // most tokens in a session; 0: as many as the model allows
	Batch    int    // most tokens computed together; 0: DefaultBatch
	MapBytes int64  // experts kept mapped between uses, in bytes; or MapAuto, MapNone
	Prefetch string // "auto", "on" or "off": hints about the next layers; "" is "auto"

	// PreferResident lets experts in RAM take the place of those that the router finds
	// better by less than so many logits, where a token is computed by itself and the
	// mount's cache is warm. What is computed then depends on what is in RAM. 0 leaves
	// the choice to the router alone; other values need a mount with a socket.
	PreferResident float64

	// Progress, when set, is told how many bytes of the dense weights are loaded,
	// of all, until the engine is open; several goroutines call it, one at a time,
	// and the last call may come short of the total.
	Progress func(loaded, total int64)

	openExpert func(expertfs.Key) (*expertfs.ExpertFile, error) // of tests; nil: by the best way
}

// What an option that is left out means. The precisions are the fastest ones,
// which stay within the bounds of docs/numerics.md.
const (
	DefaultAct   = "int8"
	DefaultBatch = 512
)

// Values of Options.MapBytes that are no sizes.
const (
	MapAuto = experts.KeepAuto // what suits the folder
	MapNone = experts.KeepNone // every expert is unmapped after its use
)

var (
	acts       = map[string]kernel.Act{"f32": kernel.F32, "bf16": kernel.BF16Act, "int8": kernel.Int8}
	prefetches = map[string]experts.Prefetch{"auto": experts.PrefetchAuto, "on": experts.PrefetchOn, "off": experts.PrefetchOff}
	kvKinds    = map[string]KVKind{KVF32.String(): KVF32, KVBF16.String(): KVBF16, KVQ8.String(): KVQ8}
	precisions = map[string]weights.Precision{"bf16": weights.BF16, "int8": weights.Int8}
)

// settings are checked Options.
type settings struct {
	act      kernel.Act
	dense    weights.Precision
	kv       KVKind
	threads  int
	strict   bool // threads may be bound to CPUs
	context  int
	batch    int
	mapBytes int64
	prefetch experts.Prefetch
	prefer   float64
}

// MaxPreferResident is the most that Options.PreferResident may be: far more than
// routers' logits differ by.
const MaxPreferResident = 100

// OptionError is what Open returns for Options that are not valid.
type OptionError struct {
	Option string // the field of Options
	Value  any
	Want   string // what is allowed
}

func (e OptionError) Error() string {
	if word, ok := e.Value.(string); ok {
		return fmt.Sprintf("%s %q: want %s", e.Option, word, e.Want)
	}
	return fmt.Sprintf("%s %v: want %s", e.Option, e.Value, e.Want)
}

// Check returns an OptionError for what is wrong with o whatever the model is.
func (o Options) Check() error {
	if o.Context < 0 {
		return OptionError{"Context", o.Context, "0 or more tokens"}
	}
	_, err := o.check(math.MaxInt)
	return err
}

// check returns the settings that o stands for in a model whose context is
// modelContext tokens.
func (o Options) check(modelContext int) (settings, error) {
	s := settings{threads: o.Threads, strict: !o.AnyCPU, context: o.Context, batch: o.Batch, mapBytes: o.MapBytes, prefer: o.PreferResident}
	var err error
	if s.act, err = choose("Act", o.Act, DefaultAct, acts); err != nil {
		return s, err
	}
	if s.dense, err = choose("Dense", o.Dense, defaultDense(s.act), precisions); err != nil {
		return s, err
	}
	if s.kv, err = choose("KV", o.KV, defaultKV(s.act).String(), kvKinds); err != nil {
		return s, err
	}
	if s.prefetch, err = choose("Prefetch", o.Prefetch, "auto", prefetches); err != nil {
		return s, err
	}
	if s.threads == 0 {
		s.threads = runtime.GOMAXPROCS(0)
	}
	if s.context == 0 {
		s.context = modelContext
	}
	if s.batch == 0 {
		s.batch = DefaultBatch
	}
	switch {
	case s.threads < 1 || s.threads > maxThreads:
		return s, OptionError{"Threads", s.threads, fmt.Sprintf("1 to %d, or 0 for all processors", maxThreads)}
	case s.context < 1 || s.context > modelContext:
		return s, OptionError{"Context", s.context, fmt.Sprintf("1 to %d tokens, which is what the model allows", modelContext)}
	case s.batch < 1 || s.batch > maxBatch:
		return s, OptionError{"Batch", s.batch, fmt.Sprintf("1 to %d tokens", maxBatch)}
	}
	if !(s.prefer >= 0 && s.prefer <= MaxPreferResident) { // it may not be a number
		return s, OptionError{"PreferResident", s.prefer, fmt.Sprintf("0 to %d logits", MaxPreferResident)}
	}
	return s, nil
}

// defaultDense does not round weights for somebody who asked for more exact
// activations than the default.
func defaultDense(act kernel.Act) string {
	if act == kernel.Int8 {
		return "int8"
	}
	return "bf16"
}

// defaultKV does not round keys and values for somebody who wants float32.
func defaultKV(act kernel.Act) KVKind {
	if act == kernel.F32 {
		return KVF32
	}
	return KVBF16
}

const (
	maxThreads = 1024
	maxBatch   = 1 << 14
)

// choose looks a word up among the values that an option can have.
func choose[T any](option, word, def string, values map[string]T) (T, error) {
	if word == "" {
		word = def
	}
	v, ok := values[word]
	if !ok {
		names := slices.Sorted(maps.Keys(values))
		return v, OptionError{option, word, strings.Join(names, " or ")}
	}
	return v, nil
}
