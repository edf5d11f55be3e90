package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"expertfs"
	"expertfs/checkpoint"
	"expertfs/checkpoint/source"
	"expertfs/cmd/expertfs/internal/bench"
	"expertfs/cmd/expertfs/internal/plan"
	"expertfs/cmd/internal/limits"
	"expertfs/fsys/budget"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// planReport is what plan finds out. Sizes are in bytes, speeds in bytes a second.
type planReport struct {
	Checkpoint  string     `json:"checkpoint"`
	Experts     int64      `json:"experts_bytes"`
	Token       int64      `json:"token_bytes"`
	Dense       int64      `json:"dense_bytes"` // as gptoss computes with them, in 8 bits
	Memory      int64      `json:"memory"`
	Free        int64      `json:"free"`
	MemorySpeed float64    `json:"memory_speed"`
	DriveSpeed  float64    `json:"drive_speed"` // of all drives together; 0: not known
	Drives      int        `json:"drives"`      // that have a copy of the largest file
	NoDrive     string     `json:"no_drive,omitempty"`
	RAM         int64      `json:"ram"` // proposed
	Table       []plan.Row `json:"table"`
}

// How long speeds are measured. Memory is as fast at each moment; of a drive it takes
// some hundred reads.
const (
	measureMemoryFor = 100 * time.Millisecond
	measureDriveFor  = 200 * time.Millisecond
)

func newPlanCommand() *cobra.Command {
	var asJSON, plainHTTP bool
	var mirrors []string
	cmd := &cobra.Command{
		Use:   "plan CHECKPOINT",
		Short: "Tell what fits on this machine, and what to expect",
		Long: `Plan reads the headers of a checkpoint, looks at the free memory, and measures
memory and drive for a moment each. It proposes a RAM budget, the one that a mount
without --ram begins with, and tells for several budgets how many uses of experts
will be hits, what is read for a token, and between which bounds decoding is: the
lower one if reading and computing take turns, the upper one if they overlap wholly.
Each line says whether it is measured, derived, or known from elsewhere. With
--mirror the drives of the checkpoint and its copies are measured at the same time.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			warnOfIdle(cmd, plainHTTPNeeds(args[0]))
			r, err := makePlan(args[0], checkpoint.Options{PlainHTTP: plainHTTP, Mirrors: mirrors})
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), r)
			}
			return r.print(cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().StringArrayVar(&mirrors, "mirror", nil, "count on the copy of the checkpoint in `DIR` too, as mount does; may be repeated")
	addPlainHTTP(cmd.Flags(), &plainHTTP)
	return cmd
}

func makePlan(name string, o checkpoint.Options) (*planReport, error) {
	ck, err := checkpoint.OpenWith(name, o)
	if err != nil {
		return nil, checkpointError(name, expertfs.ExplainDead(name, err))
	}
	defer ck.Close()
	m := describeModel(ck)
	r := &planReport{Checkpoint: name, Experts: m.ExpertsBytes, Token: m.TokenBytes, Dense: roundedBytes(m.DenseBytes)}
	c := mountConfig{ram: budget.Auto, dense: denseAuto}
	demand, _, err := c.demand(ck)
	if err != nil {
		return nil, err
	}
	r.RAM = demand.Budget
	room, err := budget.ReadRoom()
	if err != nil {
		return nil, err
	}
	r.Memory, r.Free = room.Limit, max(room.Free, 0)
	if r.MemorySpeed, err = bench.MemorySpeed(measureMemoryFor); err != nil {
		return nil, err
	}
	r.measureDrive(ck)
	r.Table = plan.Table(r.machine(), plan.Model{
		Experts: r.Experts, Token: r.Token, Dense: r.Dense, Least: m.ExpertBytes * int64(m.TopK),
	}, r.RAM)
	return r, nil
}

// roundedBytes is what dense weights of 16 bits take in 8, with a scale of 16 bits for
// each 32.
func roundedBytes(n int64) int64 { return n / 2 * 34 / 32 }

func (r *planReport) machine() plan.Machine {
	return plan.Machine{Memory: r.Memory, Free: r.Free, MemorySpeed: r.MemorySpeed, DriveSpeed: r.DriveSpeed}
}

// measureDrive reads the largest file on all drives that have it, or says why it does not.
func (r *planReport) measureDrive(ck *checkpoint.Checkpoint) {
	var largest source.Source
	for _, f := range ck.Files() {
		if source.Path(f) != "" && (largest == nil || f.Size() > largest.Size()) {
			largest = f
		}
	}
	if largest == nil {
		r.NoDrive = "its files are on no drive of this machine"
		return
	}
	paths := []string{source.Path(largest)}
	if m := ck.Mirrors(); m != nil {
		paths = m.Paths(largest)
	}
	speeds := make([]float64, len(paths))
	var drives errgroup.Group
	for i, path := range paths {
		drives.Go(func() (err error) {
			speeds[i], err = limits.Drive(path, largest.Size(), measureDriveFor)
			if errors.Is(err, unix.EINVAL) {
				err = fmt.Errorf("%s: its filesystem has no O_DIRECT", path)
			}
			return err
		})
	}
	if err := drives.Wait(); err != nil {
		r.NoDrive = err.Error()
		return
	}
	r.Drives = len(paths)
	for _, speed := range speeds {
		r.DriveSpeed += speed
	}
}

// print writes the plan for people.
func (r *planReport) print(out io.Writer) error {
	size := func(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(name, value, from string) { fmt.Fprintf(t, "%s\t%s\t%s\n", name, value, from) }
	line("experts", size(r.Experts)+", "+size(r.Token)+" for a token", "headers")
	line("dense weights", size(r.Dense)+" in 8 bits", "headers")
	line("memory", size(r.Memory)+", "+size(r.Free)+" free", "measured; control groups included")
	line("memory speed", humanize.Bytes(uint64(r.MemorySpeed))+"/s", "measured, all threads")
	switch speed := humanize.Bytes(uint64(r.DriveSpeed)) + "/s"; {
	case r.NoDrive != "":
		line("drive speed", "not known", r.NoDrive)
	case r.Drives > 1:
		line("drive speed", speed, fmt.Sprintf("measured, %d copies at the same time, 1 MiB at random, 4 in flight of each", r.Drives))
	default:
		line("drive speed", speed, "measured, 1 MiB at random, 4 in flight")
	}
	line("proposed", "--ram "+size(r.RAM), "derived: free memory less a reserve and dense weights; a mount without --ram begins so and follows")
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	fmt.Fprintln(t, "\tRAM\tof experts\thits\tread a token\ttokens/s\t")
	for _, row := range r.Table {
		mark, note := "", ""
		if row.Budget == r.RAM {
			mark = ">"
		}
		if !row.Fits {
			note = "more than is free"
		}
		fmt.Fprintf(t, "%s\t%s\t%.0f%%\t%.1f%%\t%s\t%s\t%s\n", mark, size(row.Budget), 100*row.Share, 100*row.HitRate,
			humanize.Bytes(uint64(row.Read)), tokensPerSecond(row), note)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, `hits       measured elsewhere: the default policy on recorded routing of gpt-oss-20b (docs/policies.md)
read       derived: the misses of a token
tokens/s   derived: %g of the memory's speed, and the drive's, taking turns or overlapping
`, plan.Efficiency)
	return err
}

func tokensPerSecond(r plan.Row) string {
	switch {
	case r.Most == 0:
		return "not known"
	case r.Most-r.Least < 0.05:
		return fmt.Sprintf("%.1f", r.Most)
	}
	return fmt.Sprintf("%.1f to %.1f", r.Least, r.Most)
}
