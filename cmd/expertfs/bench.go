package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	"expertfs"
	"expertfs/cmd/expertfs/internal/bench"
	"expertfs/cmd/internal/usage"

	"github.com/spf13/cobra"
)

// measureNeeds is a flag that a replay of routing makes no use of.
func measureNeeds(flag string, replays bool) usage.Need {
	return usage.Need{Flag: flag, Met: !replays, Want: "measures of hits and misses, which --routing takes the place of"}
}

func newBenchCommand() *cobra.Command {
	var o bench.Options
	var asJSON bool
	var routing string
	var tokens int
	cmd := &cobra.Command{
		Use:   "bench [MOUNTPOINT]",
		Short: "Measure a mount beside the limits of the machine",
		Long: `Measure on a mount what a hit and a miss cost, each beside its limit in the same
run: the same bytes in a plain tmpfs file, in the page cache, read with O_DIRECT.
Experts come in random order, every byte is touched, and what is compared takes
turns; figures are medians. Without MOUNTPOINT it is the only mount that this user
can use. Nobody else should use the mount meanwhile. Where nearly all experts fit
into the mount's RAM budget, it is lowered for the misses and put back.

  mmap            all bytes are summed, as fast as one core can read memory
  pread           one call, into a buffer of the file's size that is used again
  pread by 1 MiB  one call for each MiB, all into the same buffer
  open, close     beside a byte's way to another process (cat) and back: an open is
                  such a round trip, which takes longer the deeper processors sleep
  by the socket   with descriptors from .expertfs/socket in place of files
  O_DIRECT        the fastest of several sizes and numbers of reads in flight, as
                  written beside it

To compare passthrough with replies of the daemon, run this on a mount made with
--no-passthrough too, and compare rows of the same name.

With --routing, use experts as a recorded trace says instead, and print what a
token costs.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			replays := routing != ""
			warnOfIdle(cmd, usage.Need{Flag: "tokens", Met: replays, Want: "--routing"},
				measureNeeds("rounds", replays), measureNeeds("experts", replays), measureNeeds("scratch", replays), measureNeeds("seed", replays))
			if err := errors.Join(checkNumber("rounds", o.Rounds, 1), checkNumber("experts", o.Experts, 0), checkNumber("tokens", tokens, 0)); err != nil {
				return err
			}
			m, err := theMount(args)
			if err != nil {
				return err
			}
			if _, err := readControl(m.Point, expertfs.VersionFile); err != nil {
				return err // it is dead, or hangs
			}
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			var result interface{ Write(io.Writer) error }
			if routing != "" {
				result, err = bench.Replay(ctx, m.Point, routing, tokens)
			} else {
				result, err = bench.Run(ctx, m.Point, o)
			}
			if err != nil {
				return err
			}
			if !asJSON {
				return result.Write(cmd.OutOrStdout())
			}
			return printJSON(cmd.OutOrStdout(), result)
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.Rounds, "rounds", 5, "how often each measure is repeated")
	f.IntVar(&o.Experts, "experts", 0, "experts in the working set of hits (default: as many as make 512 MiB)")
	f.StringVar(&o.Scratch, "scratch", "", "`FOLDER` on the drive for a plain copy of some experts (default: the checkpoint's)")
	f.Uint64Var(&o.Seed, "seed", 1, "seed of the random orders")
	f.StringVar(&routing, "routing", "", "replay the recorded routing in `FILE` (CSV, may be gzipped)")
	f.IntVar(&tokens, "tokens", 0, "with --routing, end after so many tokens (default: all)")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
