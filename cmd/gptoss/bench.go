package main

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"expertfs/infer"

	"github.com/spf13/cobra"
)

// benchOptions are the flags of bench. Lists are tried in all combinations.
type benchOptions struct {
	prompts, generates []int
	depths             []int
	parallel           []int // texts at a time; none: one, as llama-bench has it
	threads            []int
	batches, ubatches  []int
	repetitions        int
	noWarmup           bool
	format             string
	traces             []string
	perLayer           bool
	driveSpeed         string
	notes              io.Writer
}

func newBenchCommand() *cobra.Command {
	var o benchOptions
	cmd := &cobra.Command{
		Use:   "bench [--model DIR]",
		Short: "Measure the speed of prompt evaluation and of generation",
		Long: `Bench measures prompt evaluation (pp) and generation (tg) with random tokens, as
llama-bench does, and prints its columns: tokens per second as mean and standard
deviation. It adds where the time went and what the storage did: waiting for
experts (stall), the mount's hit rate, bytes read from the drive per token. The bound
is the time of a token if drive and processors were always busy: the longer of
computing and reading what was needed, at the drive's speed, which is measured before
and after each test; drives of mirrors are added. "x bound" is the token's time over
it.

With -d each test begins after so many tokens of text. With -npl so many texts
are generated at a time, as llama-batched-bench does: each has a prompt of its own,
and the columns are B texts, N_KV tokens in all, and seconds and tokens per second
of prompts (PP), generation (TG) and both. Each test is run once then.

With --routing the experts are those of recorded traces instead of the router's
choice, so that synthetic weights see the locality of a real model.`,
		Args: noArgs,
	}
	model := addCommonFlags(cmd)
	flags := cmd.Flags()
	flags.IntSliceVarP(&o.prompts, "n-prompt", "p", []int{512}, "prompt tokens (0: none)")
	flags.IntSliceVarP(&o.generates, "n-gen", "n", []int{128}, "generated tokens (0: none)")
	flags.IntSliceVarP(&o.depths, "n-depth", "d", []int{0}, "tokens of the text before each test")
	flags.IntSliceVar(&o.parallel, "n-parallel", nil, "texts at a time, to be measured as llama-batched-bench does (also -npl)")
	flags.IntVarP(&o.repetitions, "repetitions", "r", 5, "times that each test is run")
	flags.IntSliceVarP(&o.threads, "threads", "t", []int{0}, "threads that compute (0: all processors)")
	flags.IntSliceVarP(&o.batches, "batch-size", "b", []int{2048}, "most tokens handed over together")
	flags.IntSliceVar(&o.ubatches, "ubatch-size", []int{infer.DefaultBatch}, "most tokens computed together (also -ub)")
	flags.BoolVar(&o.noWarmup, "no-warmup", false, "do not run each test once before measuring")
	flags.StringVarP(&o.format, "output", "o", "md", "md, csv, json or jsonl")
	flags.StringSliceVar(&o.traces, "routing", nil, "recorded routing (traces, compressed or not) to use in place of the router's choice")
	flags.BoolVar(&o.perLayer, "per-layer", false, "also print how well each layer's experts were predicted")
	flags.StringVar(&o.driveSpeed, "drive-speed", driveSpeedAuto, "speed of the drive that the model is read from, as 2GB/s; auto: measured")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return o.measure(cmd, model) }
	return cmd
}

// measure checks the flags, runs the tests, and prints their results.
func (o *benchOptions) measure(cmd *cobra.Command, model *modelFlags) error {
	ctx, stop := interruptible(cmd.Context())
	defer stop()
	out, err := newBenchWriter(o.format, cmd.OutOrStdout(), o.perLayer)
	if err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	if len(o.traces) > 0 && model.options.PreferResident > 0 {
		return usageErrorf("--prefer-resident needs the router's logits, which recorded routing (--routing) lacks")
	}
	if err := model.prepare(); err != nil {
		return err
	}
	if err := model.fits(o.longest()); err != nil {
		return err
	}
	warnOfIdle(cmd, o.needs())
	o.notes = cmd.ErrOrStderr()
	err = explainLoss(model.dir, o.run(ctx, model, out))
	if err != nil && ctx.Err() != nil {
		err = errInterrupted
	}
	return errors.Join(err, out.close())
}

// spelledOut are llama-bench's options of several letters after one dash, which
// would be read as several options.
var spelledOut = map[string]string{"-ub": "--ubatch-size", "-npl": "--n-parallel"}

// spellOut replaces them.
func spellOut(args []string) []string {
	args = slices.Clone(args)
	for i, a := range args {
		if long, ok := spelledOut[a]; ok && args[0] == "bench" {
			args[i] = long
		}
	}
	return args
}

func (o *benchOptions) check() error {
	if o.repetitions < 1 {
		return usageErrorf("--repetitions %d: must be 1 or more", o.repetitions)
	}
	for _, list := range []struct {
		name   string
		values []int
		least  int
	}{
		{"n-prompt", o.prompts, 0}, {"n-gen", o.generates, 0}, {"threads", o.threads, 0},
		{"batch-size", o.batches, 1}, {"ubatch-size", o.ubatches, 1}, {"n-depth", o.depths, 0}, {"n-parallel", o.parallel, 1},
	} {
		for _, v := range list.values {
			if v < list.least {
				return usageErrorf("--%s %d: must be %d or more", list.name, v, list.least)
			}
		}
	}
	if len(o.parallel) > 0 && slices.Max(o.depths) > 0 {
		return usageErrorf("--n-depth and --n-parallel do not go together: --n-prompt is the depth of texts that are generated at a time")
	}
	if _, err := newDriveMeter(o.driveSpeed); err != nil {
		return err
	}
	if !slices.ContainsFunc(append(slices.Clone(o.prompts), o.generates...), func(n int) bool { return n > 0 }) {
		return usageErrorf("there is nothing to measure: --n-prompt and --n-gen are 0")
	}
	return nil
}

// longest is the most tokens of a text of any test.
func (o *benchOptions) longest() int {
	if len(o.parallel) > 0 {
		return slices.Max(o.prompts) + slices.Max(o.generates)
	}
	return slices.Max(o.depths) + max(slices.Max(o.prompts), slices.Max(o.generates))
}

// run opens the model once for each set of its parameters and runs all tests.
func (o *benchOptions) run(ctx context.Context, model *modelFlags, out benchWriter) error {
	for _, threads := range o.threads {
		for _, batch := range o.batches {
			for _, ubatch := range o.ubatches {
				model.options.Threads = threads
				model.options.Batch = min(batch, ubatch)
				b := &bench{benchOptions: o, dir: model.dir, batch: batch, ubatch: ubatch, flags: model}
				if err := b.runAll(ctx, out); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// bench is the tests with one loaded model.
type bench struct {
	*benchOptions
	dir           string
	flags         *modelFlags
	batch, ubatch int

	engine   *infer.Engine
	size     modelSize
	meter    *driveMeter
	recorded *routing               // nil: the router chooses
	offsets  map[*infer.Session]int // where in the recording a text began
	replayed int                    // tokens of earlier texts that recorded routing was used for
	text     *infer.Session         // of the last depth; nil: there is none
	random   *rand.Rand
}

func (b *bench) runAll(ctx context.Context, out benchWriter) (err error) {
	if b.engine, err = b.flags.open(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.engine.Close()) }()
	c := b.engine.Config()
	if b.size, err = sizeOf(b.dir, b.engine); err != nil {
		return err
	}
	if b.meter, err = newDriveMeter(b.driveSpeed); err != nil {
		return err
	}
	_, drive, err := b.counters()
	if err != nil {
		return err
	}
	b.meter.find(b.dir, drive)
	if len(b.traces) > 0 {
		if b.recorded, err = readRouting(b.traces, c.Layers, c.Experts, c.TopK); err != nil {
			return err
		}
		b.engine.SetHooks(infer.Hooks{Route: func(s *infer.Session, layer, position int, experts []int) {
			b.recorded.replay(b.offsets[s]+position, layer, experts)
		}})
	}
	b.random = rand.New(rand.NewPCG(1, 2))
	b.offsets = make(map[*infer.Session]int)
	defer func() { err = errors.Join(err, b.noteWay()) }()
	return b.tests(ctx, out)
}

// tests runs what the lists ask for.
func (b *bench) tests(ctx context.Context, out benchWriter) error {
	for _, prompt := range b.prompts {
		for _, generate := range b.generates {
			for _, parallel := range b.parallel {
				if err := b.batched(ctx, prompt, generate, parallel, out); err != nil {
					return err
				}
			}
		}
	}
	if len(b.parallel) > 0 {
		return nil
	}
	for _, depth := range b.depths {
		for _, n := range b.prompts {
			if err := b.test(ctx, depth, n, 0, out); err != nil {
				return err
			}
		}
		for _, n := range b.generates {
			if err := b.test(ctx, depth, 0, n, out); err != nil {
				return err
			}
		}
	}
	return nil
}

// test measures prompt evaluation or generation, whichever is not 0.
func (b *bench) test(ctx context.Context, depth, prompt, generate int, out benchWriter) error {
	if prompt+generate == 0 {
		return nil
	}
	begin, err := b.textOf(ctx, depth)
	if err != nil {
		return err
	}
	if !b.noWarmup {
		warm := min(generate, 1) // as llama-bench does
		if err := b.once(ctx, begin(), prompt, warm); err != nil {
			return err
		}
	}
	r := benchResult{bench: b, prompt: prompt, generate: generate, depth: depth, start: time.Now(), driveSpeed: b.meter.speed()}
	before, drive, err := b.counters()
	if err != nil {
		return err
	}
	for range b.repetitions {
		began := time.Now()
		if err := b.once(ctx, begin(), prompt, generate); err != nil {
			return err
		}
		r.samples = append(r.samples, time.Since(began))
	}
	after, driveAfter, err := b.counters()
	if err != nil {
		return err
	}
	r.stats, r.drive = after.Sub(before), driveAfter.sub(drive)
	r.driveSpeed = mean(r.driveSpeed, b.meter.speed())
	return out.write(&r)
}

// noteWay tells how experts came from the mount.
func (b *bench) noteWay() error {
	stats, drive, err := b.counters()
	if how, _ := drive.way(stats.Opened - stats.BySocket); how != "" {
		note(b.notes, how)
	}
	if why := b.meter.note(); why != "" && len(b.parallel) == 0 {
		note(b.notes, why)
	}
	return err
}

func (b *bench) counters() (infer.Stats, driveStats, error) {
	drive, err := readDriveStats(b.dir)
	return b.engine.Stats(), drive, err
}

// textOf computes a text of so many tokens, and returns what gives a session of it for
// each repetition. The text of one depth is the beginning of the next: that of 32k
// tokens takes minutes.
func (b *bench) textOf(ctx context.Context, tokens int) (begin func() *infer.Session, err error) {
	if tokens == 0 {
		s := b.engine.NewSession()
		return func() *infer.Session { s.Reset(); return s }, nil // in the same memory
	}
	s := b.text
	if s == nil || s.Len() > tokens {
		s = b.engine.NewSession()
		b.text = s
	}
	if rest := tokens - s.Len(); rest > 0 {
		b.offsets[s] = b.replayed - s.Len()
		b.replayed += rest
		if err := s.Append(ctx, b.tokens(rest), nil); err != nil {
			return nil, err
		}
	}
	return s.Fork, nil
}

// once runs one repetition, which goes on with s.
func (b *bench) once(ctx context.Context, s *infer.Session, prompt, generate int) error {
	b.offsets[s] = b.replayed - s.Len()
	defer delete(b.offsets, s) // or the memory of every fork would stay
	b.replayed += prompt + generate
	if prompt > 0 {
		if err := s.Append(ctx, b.tokens(prompt), nil); err != nil {
			return err
		}
	}
	for range generate {
		if err := s.Append(ctx, b.tokens(1), nil); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) tokens(n int) []int {
	ids := make([]int, n)
	for i := range ids {
		ids[i] = b.random.IntN(b.engine.Config().Vocab)
	}
	return ids
}
