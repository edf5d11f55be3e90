package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"expertfs"
	"expertfs/infer"
	"expertfs/infer/experts"
	"expertfs/infer/kernel"

	"github.com/spf13/cobra"
)

// modelFlags are the flags of every command that loads a model.
type modelFlags struct {
	dir      string
	mapBytes string
	options  infer.Options
	prefix   prefixFlags
	quiet    bool             // nothing is said of what the options mean
	notes    func() io.Writer // for people
}

// addModelFlags declares the flags on cmd.
func addModelFlags(cmd *cobra.Command) *modelFlags {
	f := addCommonFlags(cmd)
	cmd.Flags().IntVarP(&f.options.Threads, "threads", "t", 0, "threads that compute (default: all processors)")
	cmd.Flags().IntVarP(&f.options.Batch, "batch-size", "b", infer.DefaultBatch, "most prompt tokens computed together")
	addPrefixFlags(cmd, &f.prefix)
	return f
}

// addCommonFlags declares those that are no lists in bench.
func addCommonFlags(cmd *cobra.Command) *modelFlags {
	f := &modelFlags{notes: cmd.ErrOrStderr}
	flags := cmd.Flags()
	flags.StringVarP(&f.dir, "model", "m", "", "model folder: an expertfs mount or a plain copy of one (default: the only expertfs mount)")
	flags.StringVar(&f.options.Act, "act", infer.DefaultAct, "precision of activations: f32, bf16 or int8")
	flags.StringVar(&f.options.Dense, "dense", "", "attention and unembedding: bf16, as they are, or int8, rounded by the mount or else at load (default: int8 with --act int8, else bf16)")
	flags.StringVar(&f.options.KV, "kv", "", "keys and values: f32, bf16, or q8, which takes half of bf16 (default: f32 with --act f32, else bf16)")
	flags.IntVarP(&f.options.Context, "ctx-size", "c", 0, "most tokens in the context (default: what the model allows)")
	flags.StringVar(&f.mapBytes, "map-bytes", "auto", "experts kept mapped between uses, as a size")
	flags.Var(cpuStrict{&f.options.AnyCPU}, "cpu-strict", "1: bind each thread to a CPU of its own, if there are exactly as many threads as CPUs; 0: never")
	flags.Float64Var(&f.options.PreferResident, "prefer-resident", 0, "generate with experts in RAM in place of those that the router finds better by less than so many logits (docs/numerics.md); 0: never")
	flags.StringVar(&f.options.Prefetch, "prefetch", "auto", "hints about the next layer's experts: auto, on or off")
	return f
}

// processors is what the Go runtime was given at start: one for each CPU, or
// what the variable GOMAXPROCS says.
var processors = runtime.GOMAXPROCS(0)

// What package infer asks of the program, and why, is in its documentation.
const (
	waiting   = 8  // more than threads that compute, in GOMAXPROCS
	gcPercent = 20 // of the garbage collector
)

// optionFlags are the flags of infer's options.
var optionFlags = map[string]string{
	"Act": "act", "Dense": "dense", "KV": "kv", "Threads": "threads", "Context": "ctx-size", "Batch": "batch-size",
	"Prefetch": "prefetch", "PreferResident": "prefer-resident",
}

// flagError names the flag of an option that infer refuses.
func flagError(err error) error {
	var option infer.OptionError
	if errors.As(err, &option) {
		option.Option = "--" + optionFlags[option.Option]
		return usageError{option}
	}
	return err
}

// prepare checks the flags and the folder before anything is loaded. Without --model
// it takes the only mount that there is.
func (f *modelFlags) prepare() error {
	o, err := f.settings()
	if err != nil {
		return err
	}
	if err := o.Check(); err != nil {
		return flagError(err)
	}
	if err := f.prefix.check(); err != nil {
		return err
	}
	if f.dir == "" {
		if f.dir, err = onlyMount(); err != nil {
			return err
		}
	}
	return checkFolder(f.dir)
}

// settings are the options that the flags stand for.
func (f *modelFlags) settings() (infer.Options, error) {
	o := f.options
	if f.mapBytes != "auto" {
		n, err := expertfs.ParseSize(f.mapBytes)
		if err != nil || n > 1<<60 {
			return o, usageErrorf("--map-bytes %q: want auto or a size such as 2GiB", f.mapBytes)
		}
		o.MapBytes = n
		if n == 0 {
			o.MapBytes = infer.MapNone
		}
	}
	if o.Threads == 0 {
		o.Threads = processors
	}
	return o, nil
}

// open loads the model, after prepare.
func (f *modelFlags) open() (*infer.Engine, error) {
	if err := checkFolder(f.dir); err != nil {
		return nil, err
	}
	o, err := f.settings()
	if err != nil {
		return nil, err
	}
	if kernel.Portable() {
		note(f.notes(), kernelNote())
	}
	raiseFileLimit()
	runtime.GOMAXPROCS(max(processors, o.Threads) + waiting)
	debug.SetGCPercent(gcPercent)
	if takesSequences(os.Stderr) {
		p := &loadProgress{out: os.Stderr, began: time.Now()}
		o.Progress = p.tell
		defer p.clear()
	}
	e, err := infer.Open(f.dir, o)
	switch err = flagError(err); {
	case experts.Gone(err):
		err = explainLoss(f.dir, err)
	case errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("%w: the folder is not whole: copy it from a mount again", err)
	}
	if err == nil && o.PreferResident > 0 && !f.quiet {
		note(f.notes(), fmt.Sprintf("experts in RAM are preferred within %v logits: what is generated depends on what is in RAM", o.PreferResident))
	}
	return e, err
}
