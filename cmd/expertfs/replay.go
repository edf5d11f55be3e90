package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"

	"expertfs"
	"expertfs/cmd/internal/usage"
	"expertfs/policy"
	"expertfs/policy/replay"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
)

// gptossExpert is the size in bytes of an expert file of GPT-OSS, for traces
// that do not tell.
const gptossExpert = 13240576

// replayOptions are the flags of `expertfs replay` as they are given.
type replayOptions struct {
	policies, ram, ramForHit string
	expertBytes, bandwidth   string
	layers, experts          int
	streams                  int
	json, csv                bool
	svg                      string
	seed                     uint64
}

// newReplayCommand makes `expertfs replay`.
func newReplayCommand() *cobra.Command {
	var o replayOptions
	cmd := &cobra.Command{
		Use:   "replay [flags] TRACE...",
		Short: "Tell what policies would hit on recorded routing",
		Long: `Replay runs eviction policies over recorded routing and prints what they hit,
beside the optimum that knows the future (Belady). Traces given together are
played one after the other, so that RAM is warm from one to the next; a folder
stands for the traces in it, in order of name. RAM is a share of all experts,
25%, or a size, 6GiB. Traces are recorded with expertfs mount --trace.

A trace of several readers is played with the stream of each. With --streams N,
traces of one reader are played as N readers at the same pace would: in turns of
one step, each going on with the next trace when it is through with one.`,
		Example: `  expertfs replay --policy lru,default --ram 25%,50% traces
  expertfs replay --policy all --svg curves.svg traces
  expertfs replay --streams 4 --policy lru,default --ram 50% traces
  expertfs replay --ram-for-hit 90% --policy lru,default traces/*.csv.gz`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			warnOfIdle(cmd, replayNeeds(o)...)
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return runReplay(ctx, cmd.OutOrStdout(), o, args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.policies, "policy", "default", "`policies`, separated by commas, as of mount; or all; belady is the optimum")
	f.StringVar(&o.ram, "ram", "6.25%,12.5%,25%,37.5%,50%,75%", "`budgets`, separated by commas")
	f.StringVar(&o.ramForHit, "ram-for-hit", "", "find the RAM that a hit `rate` needs, instead of --ram")
	f.StringVar(&o.expertBytes, "expert-bytes", "", "`SIZE` of an expert (default: the trace's, else GPT-OSS's)")
	f.StringVar(&o.bandwidth, "bandwidth", "", "`SPEED` of the drive, as 2GB/s, to turn misses into time")
	f.IntVar(&o.layers, "layers", 0, "layers of the model (default: the trace's)")
	f.IntVar(&o.experts, "experts", 0, "experts of a layer (default: the trace's, else the power of two above those used)")
	f.IntVar(&o.streams, "streams", 1, "play the traces as `N` readers that share a cache")
	f.BoolVar(&o.json, "json", false, "print a JSON array")
	f.BoolVar(&o.csv, "csv", false, "print CSV")
	f.StringVar(&o.svg, "svg", "", "draw hit rate over RAM into `FILE`")
	f.Uint64Var(&o.seed, "seed", 1, "seed of the policies that draw random numbers")
	cmd.MarkFlagsMutuallyExclusive("json", "csv")
	cmd.MarkFlagsMutuallyExclusive("ram-for-hit", "svg")
	cmd.MarkFlagsMutuallyExclusive("ram-for-hit", "ram")
	return cmd
}

// replayNeeds are flags that are for another output.
func replayNeeds(o replayOptions) []usage.Need {
	table := o.ramForHit == "" && o.svg == ""
	const tables = "a table of budgets, which --svg and --ram-for-hit take the place of"
	return []usage.Need{
		{Flag: "bandwidth", Met: table, Want: tables},
		{Flag: "csv", Met: o.svg == "", Want: tables},
		{Flag: "json", Met: o.svg == "", Want: tables},
		{Flag: "ram", Met: o.svg == "", Want: tables},
		{Flag: "seed", Met: strings.Contains(o.policies, "random") || strings.Contains(o.policies, "all"), Want: "a policy that draws lots, which random alone does"},
	}
}

func runReplay(ctx context.Context, out io.Writer, o replayOptions, args []string) error {
	if o.streams < 1 || o.streams > policy.MaxStreams {
		return withCode(exitUsage, fmt.Errorf("--streams %d: expected 1 to %d", o.streams, policy.MaxStreams))
	}
	if err := errors.Join(checkNumber("layers", o.layers, 0), checkNumber("experts", o.experts, 0)); err != nil {
		return err
	}
	bandwidth, err := parseBandwidth(o.bandwidth)
	if err != nil {
		return withCode(exitUsage, err)
	}
	recording, err := o.recording(args)
	if err != nil {
		return err
	}
	specs, err := replaySpecs(o.policies, recording.Shape, o.seed)
	if err != nil {
		return withCode(exitUsage, fmt.Errorf("--policy: %w", err))
	}
	if o.ramForHit != "" {
		rate, err := parsePercent(o.ramForHit)
		if err != nil {
			return withCode(exitUsage, fmt.Errorf("--ram-for-hit: %w", err))
		}
		return o.findRAM(ctx, out, recording, specs, rate)
	}
	budgets, err := parseBudgets(o.ram, recording.Total())
	if err != nil {
		return withCode(exitUsage, fmt.Errorf("--ram: %w", err))
	}
	if o.svg != "" {
		if filepath.Ext(o.svg) != ".svg" {
			return withCode(exitUsage, fmt.Errorf("--svg %s: the name must end in .svg", o.svg))
		}
		return o.draw(ctx, out, recording, specs)
	}
	table, err := recording.Table(ctx, specs, budgets, bandwidth, o.seed)
	if err != nil {
		return err
	}
	switch {
	case o.json:
		return printJSON(out, table)
	case o.csv:
		return replay.WriteCSV(out, table)
	}
	return replay.WriteTable(out, table)
}

// recording loads the traces that the arguments name.
func (o replayOptions) recording(args []string) (*replay.Recording, error) {
	paths, err := tracePaths(args)
	if err != nil {
		return nil, err
	}
	steps, meta, err := expertfs.LoadTraces(paths...)
	if err != nil {
		return nil, err
	}
	if len(steps) == 0 {
		return nil, fmt.Errorf("%s: no steps in it", strings.Join(paths, ", "))
	}
	s := expertfs.Shape{Layers: meta.Layers, Experts: meta.Experts, TopK: meta.TopK, ExpertBytes: meta.ExpertBytes}
	if s.Experts == 0 {
		s.Experts = expertfs.GuessExperts(steps)
	}
	if o.layers > 0 {
		s.Layers = o.layers
	}
	if o.experts > 0 {
		s.Experts = o.experts
	}
	if s.ExpertBytes == 0 {
		s.ExpertBytes = gptossExpert
	}
	if o.expertBytes != "" {
		n, err := expertfs.ParseSize(o.expertBytes)
		if err != nil || n == 0 || n > replay.MaxExpertBytes {
			return nil, withCode(exitUsage, fmt.Errorf("--expert-bytes %s: expected a size like 13MB", o.expertBytes))
		}
		s.ExpertBytes = n
	}
	if o.streams > 1 {
		if steps, err = interleaved(paths, o.streams); err != nil {
			return nil, err
		}
	}
	return replay.NewRecording(s, steps)
}

// interleaved plays traces of one reader each as several readers do.
func interleaved(paths []string, readers int) ([]expertfs.TraceStep, error) {
	var recordings [][]expertfs.TraceStep
	for _, path := range paths {
		steps, _, err := expertfs.LoadTraces(path)
		if err != nil {
			return nil, err
		}
		for _, s := range steps {
			if s.Stream != 0 || s.End {
				return nil, withCode(exitUsage, fmt.Errorf("%s: it is of several readers already: leave out --streams", path))
			}
		}
		recordings = append(recordings, steps)
	}
	if len(recordings) < readers {
		return nil, withCode(exitUsage, fmt.Errorf("--streams %d: that takes as many traces, %d are given", readers, len(recordings)))
	}
	return replay.Interleave(recordings, readers), nil
}

// needed is what --ram-for-hit finds for one policy.
type needed struct {
	Policy      string  `json:"policy"`
	HitRate     float64 `json:"hit_rate"`
	Reached     bool    `json:"reached"` // false if all experts in RAM are not enough
	RAMBytes    int64   `json:"ram_bytes,omitempty"`
	RAMFraction float64 `json:"ram_fraction,omitempty"`
}

func (o replayOptions) findRAM(ctx context.Context, out io.Writer, s *replay.Recording, specs []string, rate float64) error {
	if o.csv {
		return withCode(exitUsage, errors.New("--ram-for-hit prints a table or --json"))
	}
	var all []needed
	bar := newCountBar(len(specs)*s.MaxRuns(), "replaying")
	defer bar.Finish() // as well after an error: it leaves the terminal clean
	for i, spec := range specs {
		budget, ok, err := s.RAMFor(ctx, spec, rate, o.seed, func() { bar.Add(1) })
		if err != nil {
			return err
		}
		bar.Set((i + 1) * s.MaxRuns())
		all = append(all, needed{spec, rate, ok, budget, float64(budget) / float64(s.Total())})
	}
	if o.json {
		return printJSON(out, all)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "policy\tRAM for %g%% hits\tof the experts\n", rate*100)
	for _, n := range all {
		if n.Reached {
			fmt.Fprintf(w, "%s\t%s\t%.1f%%\n", replay.Named(n.Policy), humanize.IBytes(uint64(n.RAMBytes)), n.RAMFraction*100)
		} else {
			fmt.Fprintf(w, "%s\tmore than all\t\n", replay.Named(n.Policy))
		}
	}
	return w.Flush()
}

// draw makes the picture, in place of the one that was there.
func (o replayOptions) draw(ctx context.Context, out io.Writer, s *replay.Recording, specs []string) error {
	for i, spec := range specs {
		specs[i] = policy.Resolve(spec)
	}
	if !slices.Contains(specs, replay.Belady) {
		specs = append(specs, replay.Belady)
	}
	table, err := s.Table(ctx, specs, replay.CurveBudgets(s.Total()), 0, o.seed)
	if err != nil {
		return err
	}
	f, err := os.Create(o.svg)
	if err != nil {
		return err
	}
	err = replay.WriteSVG(f, table)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		_, err = fmt.Fprintln(out, o.svg)
	}
	return err
}
