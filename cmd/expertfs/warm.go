package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"expertfs"
	"expertfs/fsys/mountpoint"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
)

// newWarmCommand makes `expertfs warm`.
func newWarmCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "warm [MOUNTPOINT [PATH...]]",
		Short: "Fetch a checkpoint on a network into its cache",
		Long: `Fetch into the cache on the drive what paths of the mount name, or all of the
checkpoint: layers/07, layers/00-05, dense, dense/embedding.safetensors, the path of
an expert. What is there already is not fetched again, so that an end by Ctrl-C costs
nothing. A cache that holds all of a checkpoint is mounted without the network.
Without MOUNTPOINT it is all of the only mount that this user can use.`,
		Example: "  expertfs warm /mnt/model layers/00-05",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			m, err := theMount(args)
			if err != nil {
				return err
			}
			return runWarm(ctx, cmd.OutOrStdout(), m.Point, args[min(1, len(args)):])
		},
	}
}

// warmPoll is how often the mount is asked how far it has come.
const warmPoll = 100 * time.Millisecond

// runWarm has the mount fetch, shows how far it has come, and stops it when ctx ends.
func runWarm(ctx context.Context, out io.Writer, point string, paths []string) error {
	if len(paths) == 0 {
		paths = []string{"."}
	}
	if err := writeWarm(point, strings.Join(paths, " ")); err != nil {
		return err
	}
	w, err := readWarming(point)
	if err != nil {
		return err
	}
	began := time.Now()
	bar := newByteBar(w.Total, "fetching")
	defer func() { _ = bar.Finish() }() // only a drawing
	for ; err == nil && w.State == expertfs.WarmRunning; w, err = readWarming(point) {
		_ = bar.Set64(w.Done) // only a drawing
		select {
		case <-ctx.Done():
			if err := writeWarm(point, expertfs.WarmStop); err != nil {
				return err
			}
			return fmt.Errorf("stopped: %s of %s are in the cache; the same command goes on from there",
				humanize.IBytes(uint64(w.Done)), humanize.IBytes(uint64(w.Total)))
		case <-time.After(warmPoll):
		}
	}
	switch {
	case err != nil:
		return err
	case w.State == expertfs.WarmFailed:
		return errors.New(w.Error)
	case w.State != expertfs.WarmDone:
		return errors.New("ended by another command")
	}
	_, err = fmt.Fprintf(out, "%s are in the cache, after %.1f s\n", size(w.Total), time.Since(began).Seconds())
	return err
}

// writeWarm writes to the control file. Why that was refused stands in the figures.
func writeWarm(point, text string) error {
	err := mountpoint.Write(point, expertfs.ControlPath(expertfs.WarmFile), text)
	if !errors.Is(err, syscall.EINVAL) {
		return err
	}
	var s expertfs.Stats
	figures, ferr := readControl(point, expertfs.StatsJSONFile)
	if ferr != nil || json.Unmarshal(figures, &s) != nil || s.LastRefused == nil {
		return err
	}
	return errors.New(s.LastRefused.Reason)
}

func readWarming(point string) (w expertfs.Warming, err error) {
	text, err := readControl(point, expertfs.WarmFile)
	if err != nil {
		return w, err
	}
	err = json.Unmarshal(text, &w)
	return w, err
}
