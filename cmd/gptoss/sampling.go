package main

import (
	"math/rand/v2"

	"expertfs/infer/sample"

	"github.com/spf13/cobra"
)

// samplingFlags are the flags of every command that chooses tokens.
type samplingFlags struct {
	params sample.Params
	seed   int64 // -1 until sampler has chosen one
}

// addSamplingFlags declares the flags on cmd.
func addSamplingFlags(cmd *cobra.Command) *samplingFlags {
	f := &samplingFlags{}
	flags := cmd.Flags()
	flags.Float64Var(&f.params.Temp, "temp", 1, "temperature; 0 takes the most probable token")
	flags.IntVar(&f.params.TopK, "top-k", 0, "choose among this many tokens only (0: all)")
	flags.Float64Var(&f.params.TopP, "top-p", 1, "choose among the tokens that make up this probability")
	flags.Float64Var(&f.params.MinP, "min-p", 0, "choose among tokens at least this probable, relative to the best")
	flags.Int64Var(&f.seed, "seed", -1, "seed of the random choices (-1: a different one each time)")
	return f
}

// random tells whether the seed matters.
func (f *samplingFlags) random() bool { return f.params.Temp > 0 }

// sampler returns a new sampler as the flags say.
func (f *samplingFlags) sampler() (*sample.Sampler, error) {
	if f.seed < -1 {
		return nil, usageErrorf("--seed %d: give a number from 0, or -1", f.seed)
	}
	if f.seed == -1 {
		f.seed = rand.Int64N(1 << 32)
	}
	f.params.Seed = uint64(f.seed)
	p := f.params
	if p.TopP == 0 { // the most probable token alone makes up a probability of 0
		p.TopK = 1
	}
	s, err := sample.New(p)
	if err != nil {
		return nil, usageError{err}
	}
	return s, nil
}
