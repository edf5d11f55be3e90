package main

import (
	"fmt"
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

// check refuses values that are out of range, and names the flag.
func (f *samplingFlags) check() error {
	p := f.params
	for _, flag := range []struct {
		name  string
		value any
		valid bool
		want  string
	}{
		{"temp", p.Temp, sample.Params{Temp: p.Temp}.Check() == nil, "0 or more"},
		{"top-k", p.TopK, sample.Params{TopK: p.TopK}.Check() == nil, "0, for all, or more"},
		{"top-p", p.TopP, sample.Params{TopP: p.TopP}.Check() == nil, "a probability from 0 to 1"},
		{"min-p", p.MinP, sample.Params{MinP: p.MinP}.Check() == nil, "a probability from 0 to 1"},
		{"seed", f.seed, f.seed >= -1, "a whole number from 0, or -1"},
	} {
		if !flag.valid {
			return usageErrorf("--%s %v: want %s", flag.name, flag.value, flag.want)
		}
	}
	return nil
}

// sampler returns a new sampler as the flags say.
func (f *samplingFlags) sampler() (*sample.Sampler, error) {
	if f.seed < -1 {
		return nil, fmt.Errorf("seed %d: must be 0 or more, or -1", f.seed)
	}
	if f.seed == -1 {
		f.seed = rand.Int64N(1 << 32)
	}
	f.params.Seed = uint64(f.seed)
	p := f.params
	if p.TopP == 0 { // the most probable token alone makes up a probability of 0
		p.TopK = 1
	}
	return sample.New(p)
}
