package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"expertfs"
	"expertfs/checkpoint/config"
	"expertfs/checkpoint/layout"
	"expertfs/checkpoint/synth"

	"github.com/spf13/cobra"
)

// newSynthCommand makes `expertfs synth`.
func newSynthCommand() *cobra.Command {
	var preset, layoutName, shardSize string
	var seed uint64
	cmd := &cobra.Command{
		Use:   "synth [flags] DIR",
		Short: "Write a synthetic checkpoint of any dimensions",
		Long: `Synth writes a checkpoint of random weights, for tests and measurements without
a download. Its text is noise; its activations keep their size and its router
prefers some experts, as a trained model's does. One seed is one model, in
either layout and however many shards it is written in.`,
		Example: "  expertfs synth --preset 20b --layers 6 --seed 1 model",
		Args:    cobra.ExactArgs(1),
	}
	flags := cmd.Flags()
	flags.StringVar(&preset, "preset", "tiny", "`preset` of dimensions to begin with: "+strings.Join(config.Presets(), ", "))
	flags.StringVar(&layoutName, "layout", "openai", "`layout` of the files: openai or huggingface")
	flags.StringVar(&shardSize, "shard-size", "0", "begin a new file before this `size`, 0 for one file")
	flags.Uint64Var(&seed, "seed", 1, "seed of the weights")
	dimensions, flagsFor := addDimensionFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := config.Preset(preset)
		if err != nil {
			return withCode(exitUsage, fmt.Errorf("--preset: %w", err))
		}
		dimensions(c)
		if err := c.Validate(); err != nil {
			return withCode(exitUsage, errors.New(flagsFor.Replace(err.Error())))
		}
		shard, err := expertfs.ParseSize(shardSize)
		if err != nil || shard > 1<<62 {
			return withCode(exitUsage, fmt.Errorf("--shard-size %s: expected a size like 5GB", shardSize))
		}
		o := synth.Options{Config: c, Seed: seed, ShardBytes: shard}
		if o.Layout, err = layout.Parse(layoutName); err != nil {
			return withCode(exitUsage, fmt.Errorf("--layout: %w", err))
		}
		ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		return runSynth(ctx, cmd.OutOrStdout(), args[0], o)
	}
	return cmd
}

// addDimensionFlags adds a flag for each dimension. What it returns puts the
// ones that were given into a config, and has an error of the config name the flags.
func addDimensionFlags(cmd *cobra.Command) (func(*config.Config), *strings.Replacer) {
	var names []string
	set := map[string]func(c *config.Config, n int){}
	for _, d := range []struct {
		name, key, usage string
		set              func(c *config.Config, n int)
	}{
		{"layers", "num_hidden_layers", "number of layers", (*config.Config).SetLayers},
		{"experts", "number of experts", "experts in each layer", func(c *config.Config, n int) { c.Experts = n }},
		{"top-k", "experts_per_token", "experts that a token uses in each layer", func(c *config.Config, n int) { c.TopK = n }},
		{"hidden", "hidden_size", "width of the residual stream, a multiple of 32", func(c *config.Config, n int) { c.Hidden = n }},
		{"intermediate", "intermediate_size", "width inside an expert, a multiple of 32", func(c *config.Config, n int) { c.Intermediate = n }},
		{"vocab", "vocab_size", "size of the vocabulary", func(c *config.Config, n int) { c.Vocab = n }},
		{"heads", "num_attention_heads", "query heads", func(c *config.Config, n int) { c.Heads = n }},
		{"kv-heads", "num_key_value_heads", "key and value heads", func(c *config.Config, n int) { c.KVHeads = n }},
		{"head-dim", "head_dim", "width of a head", func(c *config.Config, n int) { c.HeadDim = n }},
		{"window", "sliding_window", "positions that a sliding layer sees", func(c *config.Config, n int) { c.Window = n }},
	} {
		cmd.Flags().Int(d.name, 0, d.usage+" (default: the preset's)")
		set[d.name] = d.set
		names = append(names, d.key, "--"+d.name)
	}
	return func(c *config.Config) {
		for name, apply := range set {
			if cmd.Flags().Changed(name) {
				n, _ := cmd.Flags().GetInt(name) // declared above as an int
				apply(c, n)
			}
		}
	}, strings.NewReplacer(names...)
}

// runSynth writes the checkpoint and says how fast.
func runSynth(ctx context.Context, out io.Writer, dir string, o synth.Options) error {
	total, err := synth.Size(o)
	if err != nil {
		return withCode(exitUsage, err)
	}
	bar := newByteBar(total, "writing "+dir)
	o.Progress = func(n int) { bar.Add(n) }
	began := time.Now()
	err = synth.Write(ctx, dir, o)
	bar.Finish()
	if err != nil {
		return err
	}
	elapsed := time.Since(began)
	_, err = fmt.Fprintf(out, "%s: %s in %.1f s, %.0f MB/s\n", dir, size(total), elapsed.Seconds(), float64(total)/1e6/elapsed.Seconds())
	return err
}
