package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"text/tabwriter"

	"expertfs"
	"expertfs/cmd/internal/display"
	"expertfs/fsys/mountpoint"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
)

func newStatusCommand() *cobra.Command {
	var asJSON, everything bool
	cmd := &cobra.Command{
		Use:   "status [MOUNTPOINT]",
		Short: "Show mounts and their figures",
		Long: `Without an argument, list the expertfs mounts of this machine. With one, tell what is
mounted there, how it is read, what RAM and policy do for it, who reads, and what
would make it faster. --all prints all figures, as MOUNTPOINT/.expertfs/stats has
them, and --json the same as JSON.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			out := cmd.OutOrStdout()
			if !asJSON {
				out = display.Writer{Out: out}
			}
			switch {
			case len(args) == 0 && everything:
				return withCode(exitUsage, errors.New("--all prints the figures of one mount: expertfs status --all MOUNTPOINT"))
			case len(args) == 0:
				return statusAll(out, asJSON)
			case asJSON:
				return statusOne(out, args[0], expertfs.StatsJSONFile)
			case everything:
				return statusOne(out, args[0], expertfs.StatsFile)
			}
			return statusSummary(out, args[0])
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&everything, "all", false, "print all figures of a mount")
	return cmd
}

// statusSummary tells how the mount at point does.
func statusSummary(out io.Writer, point string) error {
	m, err := mountpoint.Find(point)
	if err != nil {
		return err
	}
	s, err := readStats(m.Point)
	if err != nil {
		return err
	}
	return printSummary(out, s)
}

// readStats reads the figures of a mount, and gives up on a server that does not
// answer.
func readStats(point string) (*expertfs.Stats, error) {
	text, err := readControl(point, expertfs.StatsJSONFile)
	if err != nil {
		return nil, err
	}
	s := new(expertfs.Stats)
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("%s: %w", point, err)
	}
	return s, nil
}

// statusOne copies a control file of the mount at point.
func statusOne(out io.Writer, point, name string) error {
	m, err := mountpoint.Find(point)
	if err != nil {
		return err
	}
	text, err := readControl(m.Point, name)
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	return err
}

// mountStatus is one mount in the list: its figures, or why there are none.
type mountStatus struct {
	Mountpoint string          `json:"mountpoint"`
	Report     *expertfs.Stats `json:"report,omitempty"`
	Error      string          `json:"error,omitempty"`
	dead       bool
}

func statusAll(out io.Writer, asJSON bool) error {
	mounts, err := mountpoint.List()
	if err != nil {
		return err
	}
	all := statusOfAll(mounts)
	if asJSON {
		return printJSON(out, all)
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(out, "no expertfs is mounted")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "MOUNTPOINT\tMODEL\tREADS\tPOLICY\tRAM\tBUDGET\tEXPERTS\tHITS")
	for _, s := range all {
		fmt.Fprintln(w, s.line())
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, s := range all {
		if s.Report == nil {
			if s.dead {
				fmt.Fprintln(out, s.Error)
			}
			continue
		}
		for _, r := range s.Report.Records {
			if r.Lost != "" {
				fmt.Fprintf(out, "%s: --%s %s: %s\n", s.Mountpoint, r.Option, r.File, r.Lost)
			}
		}
	}
	printReadPaths(out, all)
	return printReaders(out, all)
}

// printReadPaths tells of mounts that are not read in the fastest way, each sentence
// once.
func printReadPaths(out io.Writer, all []mountStatus) {
	points := make(map[string][]string)
	var sentences []string
	for _, s := range all {
		if s.Report == nil || s.Report.Mechanism == expertfs.Passthrough {
			continue
		}
		said := readPath(s.Report)
		if points[said] == nil {
			sentences = append(sentences, said)
		}
		points[said] = append(points[said], s.Mountpoint)
	}
	for _, said := range sentences {
		fmt.Fprintf(out, "%s: %s\n", strings.Join(points[said], ", "), said)
	}
}

// printReaders lists the readers of all mounts.
func printReaders(out io.Writer, all []mountStatus) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	header := "READERS OF\tREADER\tPROGRAM\tPID\tOPENS\tHITS\tTOKENS\tMAPPED\tMAY KEEP\n"
	for _, s := range all {
		if s.Report == nil {
			continue
		}
		for _, r := range s.Report.Readers {
			fmt.Fprint(w, header)
			header = ""
			program, pid := r.Name, fmt.Sprint(r.PID)
			if r.PID == 0 {
				program, pid = "(several)", "-"
			}
			fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%d\t%s\t%d\t%s\t%s\n", s.Mountpoint, r.Stream, program, pid, r.Opens, rate(r.Uses),
				r.Tokens, humanize.IBytes(uint64(r.MappedBytes)), humanize.IBytes(uint64(r.ShareBytes)))
		}
	}
	return w.Flush()
}

// rate shows a hit rate, which there is none of before the first use.
func rate(u expertfs.Uses) string {
	if u.Total() == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f%%", 100*u.HitRate())
}

// statusOfAll asks all mounts at once, as each may keep us waiting.
func statusOfAll(mounts []mountpoint.Mount) []mountStatus {
	all := make([]mountStatus, len(mounts))
	var asking sync.WaitGroup
	for i, m := range mounts {
		asking.Go(func() { all[i] = statusOf(m) })
	}
	asking.Wait()
	return all
}

func statusOf(m mountpoint.Mount) mountStatus {
	s := mountStatus{Mountpoint: m.Point}
	if pid := mountpoint.Server(m); pid != 0 && mountpoint.Stopped(pid) {
		s.Error = fmt.Sprintf("its server is stopped: kill -CONT %d", pid)
		return s
	}
	report, err := readStats(m.Point)
	switch {
	case errors.Is(err, mountpoint.ErrSilent):
		s.Error = "its server does not answer"
		return s
	case errors.Is(err, os.ErrPermission):
		s.Error = "mounted by another user"
		return s
	case err != nil:
		s.Error, s.dead = err.Error(), errors.Is(err, expertfs.ErrDead)
		return s
	}
	s.Report = report
	return s
}

// line is the mount's row of the table.
func (s mountStatus) line() string {
	switch {
	case s.dead:
		return s.Mountpoint + "\tdead" // below the table stands what to do
	case s.Report == nil:
		return fmt.Sprintf("%s\t%s", s.Mountpoint, s.Error)
	}
	r, c := s.Report, s.Report.Cache
	return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%d/%d\t%s", s.Mountpoint, r.Model, r.Mechanism, c.Policy,
		humanize.IBytes(uint64(c.Used)), humanize.IBytes(uint64(c.Budget)), c.Resident, r.Layers*r.Experts, rate(c.Uses))
}
