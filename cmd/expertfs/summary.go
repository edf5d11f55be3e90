package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"expertfs"
	"expertfs/checkpoint/source"
	"expertfs/cmd/expertfs/internal/watch"
	"expertfs/fsys"
	"expertfs/policy"

	"github.com/dustin/go-humanize"
)

// printSummary tells on less than a page how a mount does, and what would make it
// faster. Labels stand in the first column, as in "hits".
func printSummary(out io.Writer, s *expertfs.Stats) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(label, format string, args ...any) { fmt.Fprintf(w, label+"\t"+format+"\n", args...) }
	ram := func(n int64) string { return humanize.IBytes(uint64(n)) }
	c := &s.Cache
	row("mount", "%s, up %v, pid %d", source.Printable(s.Mountpoint), watch.Uptime(s), s.PID)
	row("model", "%s from %s: %d layers of %d experts, %s each", s.Model, source.Printable(s.Checkpoint), s.Layers, s.Experts, ram(s.ExpertSize))
	row("reads", "%s%s", readWay(s), socketWay(s))
	follows := ""
	if s.AutoBudget {
		follows = " (auto: it follows the memory that others leave)"
	}
	row("RAM", "%s of %s%s, %d of %d experts; %s of dense weights beside", ram(c.Used), ram(c.Budget), follows,
		c.Resident, s.Layers*s.Experts, ram(c.DenseBytes))
	if c.Uses.Total() == 0 {
		row("hits", "no expert was used yet")
	} else {
		row("hits", "%s of %s uses; %s read from the drive, readers waited %v in all", rate(c.Uses), humanize.Comma(c.Uses.Total()),
			ram(c.BytesRead), c.OpenWait.Round(time.Millisecond))
	}
	row("policy", "%s%s", c.Policy, hadItBeen(c.Shadows))
	if len(s.Readers) == 0 {
		row("readers", "none")
	}
	label := "readers"
	for _, r := range s.Readers {
		who := fmt.Sprintf("%s (pid %d)", r.Name, r.PID)
		if r.PID == 0 {
			who = "several that cannot be told apart"
		}
		row(label, "%s: %s of %s uses were hits, %s tokens, %s mapped", who, rate(r.Uses), humanize.Comma(r.Total()), humanize.Comma(r.Tokens), ram(r.MappedBytes))
		label = ""
	}
	for _, line := range complaints(s) {
		row("attention", "%s", line)
	}
	label = "faster"
	for _, line := range advice(s) {
		row(label, "%s", line)
		label = ""
	}
	if label != "" {
		row(label, "nothing that is seen here")
	}
	return w.Flush()
}

// hadItBeen tells what shadow policies would have hit.
func hadItBeen(shadows []expertfs.ShadowStats) string {
	var each []string
	for _, g := range shadows {
		each = append(each, fmt.Sprintf("%.1f%% had it been %s", 100*g.HitRate, g.Policy))
	}
	if each == nil {
		return ""
	}
	return "; " + strings.Join(each, ", ")
}

// complaints are what is wrong with a mount that serves.
func complaints(s *expertfs.Stats) (lines []string) {
	for _, r := range s.Records {
		if r.Lost != "" {
			lines = append(lines, fmt.Sprintf("--%s %s: %s", r.Option, r.File, r.Lost))
		}
	}
	for _, d := range s.Copies {
		if !d.Serves || d.LeftFiles > 0 {
			lines = append(lines, fmt.Sprintf("copy %s fails and is left for a while: %s", d.Dir, d.LastError))
		}
	}
	var errs []string
	for _, kind := range slices.Sorted(maps.Keys(s.Cache.Errors)) {
		errs = append(errs, fmt.Sprintf("%s %s", kind, humanize.Comma(s.Cache.Errors[kind])))
	}
	if errs != nil {
		lines = append(lines, "errors of loads: "+strings.Join(errs, ", ")+"; the log has each, with its file or what was short")
	}
	if s.Source != nil && s.Source.NotKept != "" {
		lines = append(lines, "what is fetched is not kept: "+s.Source.NotKept)
	}
	if s.Unlogged != "" {
		lines = append(lines, s.Unlogged)
	}
	return lines
}

// Below these it is not worth a change.
const (
	goodHitRate = 0.95
	betterBy    = 0.02 // of a shadow's hit rate
	enoughUses  = 1000 // for a hit rate to say something
)

// advice tells what would make a mount faster, the most effective first, each with its
// command.
func advice(s *expertfs.Stats) (lines []string) {
	c := &s.Cache
	control := func(file string) string {
		return expertfs.ShellQuote(filepath.Join(s.Mountpoint, expertfs.ControlPath(file)))
	}
	if s.Source != nil && s.Source.CacheDir != "" && !s.Source.Complete && s.Source.NotKept == "" && s.Source.CacheLimit == 0 {
		lines = append(lines, "all of the checkpoint on the drive: expertfs warm "+expertfs.ShellQuote(s.Mountpoint))
	}
	all := c.SlotBytes * int64(s.Layers*s.Experts)
	if c.Budget < all && c.Evictions > 0 && c.HitRate() < goodHitRate { // RAM that nothing had to leave is enough
		line := fmt.Sprintf("more RAM, as %.0f%% of the uses wait for the drive: ", 100-100*c.HitRate())
		if s.AutoBudget {
			line += "free some, and the budget follows; or "
		}
		lines = append(lines, line+fmt.Sprintf("echo %s > %s; expertfs plan %s tells what to expect",
			expertfs.FormatSize(wholeMiB(min(2*c.Budget, all))), control(expertfs.RAMFile), expertfs.ShellQuote(s.Checkpoint)))
	}
	if g := bestShadow(c.Shadows); c.Uses.Total() >= enoughUses && g.HitRate > c.HitRate()+betterBy {
		lines = append(lines, fmt.Sprintf("the policy %s, with which %.1f%% would have been hits: echo %s > %s",
			g.Policy, 100*g.HitRate, expertfs.ShellQuote(g.Policy), control(expertfs.PolicyFile)))
	}
	if c.Crowded+c.Busy > 0 {
		lines = append(lines, fmt.Sprintf("fewer readers, or more RAM: readers held all of it, and %s opens found no room", humanize.Comma(c.Crowded+c.Busy)))
	}
	if s.Mechanism != expertfs.Passthrough && s.Why == fsys.NeedsPrivilege {
		lines = append(lines, "reads by the kernel, for programs that read files: expertfs umount "+expertfs.ShellQuote(s.Mountpoint)+"; "+mountAsRoot(s))
	}
	return lines
}

// wholeMiB rounds up to what people write.
func wholeMiB(n int64) int64 { return (n + 1<<20 - 1) >> 20 << 20 }

// bestShadow is the shadow policy that would have hit most.
func bestShadow(shadows []expertfs.ShadowStats) (best expertfs.ShadowStats) {
	for _, g := range shadows {
		if g.HitRate > best.HitRate {
			best = g
		}
	}
	return best
}

// mountAsRoot is the command that mounts anew as root with what is known of a mount.
func mountAsRoot(s *expertfs.Stats) string {
	words := []string{"sudo expertfs mount -o allow_other"}
	if !s.AutoBudget && s.Cache.Budget > 0 {
		words = append(words, "--ram", expertfs.FormatSize(s.Cache.Budget))
	}
	if p := s.Cache.Policy; p != "" && p != policy.Default {
		words = append(words, "--policy", expertfs.ShellQuote(p))
	}
	return strings.Join(append(words, expertfs.ShellQuote(s.Checkpoint), expertfs.ShellQuote(cmp.Or(s.Mountpoint, "MOUNTPOINT"))), " ")
}
