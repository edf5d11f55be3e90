package fsys

import (
	"bytes"
	"fmt"
	"time"

	"expertfs"
	"expertfs/fsys/metrics"

	"github.com/dustin/go-humanize"
)

// statsText is the content of .expertfs/stats: comments for people, then lines
// "name value" in the text format of Prometheus. Names never change meaning; new
// ones may come.
func statsText(s expertfs.Stats) []byte {
	var b bytes.Buffer
	summary(&b, s)
	metrics.Text(&b, &s)
	return b.Bytes()
}

// follows says so when the budget is not the user's.
func follows(s expertfs.Stats) string {
	if s.AutoBudget {
		return " (auto)"
	}
	return ""
}

// summary writes what cannot be a number, and the figures that are looked for
// first.
func summary(b *bytes.Buffer, s expertfs.Stats) {
	c := s.Cache
	if last := s.LastRefused; last != nil {
		fmt.Fprintf(b, "# last refused: %s: %s (%s)\n", last.File, last.Reason, last.Time.Format(time.RFC3339))
	}
	for _, r := range s.Records {
		if r.Lost != "" {
			fmt.Fprintf(b, "# not recorded: --%s %s: %s\n", r.Option, r.File, r.Lost)
		}
	}
	fmt.Fprintf(b, "# %s (%s layout): %d layers of %d experts, %s each\n",
		s.Model, s.Layout, s.Layers, s.Experts, humanize.IBytes(uint64(s.ExpertSize)))
	fmt.Fprintf(b, "# reads: %s%s\n", s.Mechanism, reason(s.Why))
	if s.Unlogged != "" {
		fmt.Fprintf(b, "# log: none: %s\n", s.Unlogged)
	}
	if s.NoSocket != "" {
		fmt.Fprintf(b, "# socket for descriptors: none%s\n", reason(s.NoSocket))
	}
	fmt.Fprintf(b, "# opens: %d by the socket, %d of files\n", s.Requests.Descriptors, s.Requests.Opens)
	fmt.Fprintf(b, "# RAM tier: %s%s\n", c.Mechanism, reason(c.Why))
	fmt.Fprintf(b, "# NVMe tier: %s\n", c.Drive)
	if r := s.Source; r != nil {
		fmt.Fprintf(b, "# source: %s, %d requests, %s; in the cache %s%s\n", r.Place, r.Requests,
			humanize.IBytes(uint64(r.Bytes)), humanize.IBytes(uint64(r.CachedBytes)), reason(r.NotKept))
		if r.Skipped > 0 {
			fmt.Fprintf(b, "# not kept, as the drive of the cache writes more slowly: %s\n", humanize.IBytes(uint64(r.Skipped)))
		}
	}
	for _, d := range s.Copies {
		fmt.Fprintf(b, "# copy %s: %s\n", d.Dir, copyText(d))
	}
	fmt.Fprintf(b, "# policy: %s\n", c.Policy)
	fmt.Fprintf(b, "# RAM: %s of %s%s, %d experts; dense files %s beside, %s of it rounded\n",
		humanize.IBytes(uint64(c.Used)), humanize.IBytes(uint64(c.Budget)), follows(s), c.Resident,
		humanize.IBytes(uint64(c.DenseBytes)), humanize.IBytes(uint64(c.RoundedBytes)))
	if c.Uses.Total() > 0 {
		fmt.Fprintf(b, "# hit rate: %.1f%% of %d expert accesses\n", 100*c.HitRate(), c.Uses.Total())
	}
	for _, g := range c.Shadows {
		fmt.Fprintf(b, "# hit rate had the policy been %s: %.1f%%\n", g.Policy, 100*g.HitRate)
	}
	for _, r := range s.Readers {
		who := fmt.Sprintf("%s (pid %d)", r.Name, r.PID)
		if r.PID == 0 {
			who = "those who cannot be told apart"
		}
		fmt.Fprintf(b, "# reader %d, %s: %d opens, %.1f%% of %d uses were hits, %d tokens, %s mapped, may keep %s\n",
			r.Stream, who, r.Opens, 100*r.HitRate(), r.Total(), r.Tokens,
			humanize.IBytes(uint64(r.MappedBytes)), humanize.IBytes(uint64(r.ShareBytes)))
	}
}

// copyText tells how one copy of the checkpoint does.
func copyText(d expertfs.CopyStats) string {
	text := fmt.Sprintf("%d files, %s read", d.Files, humanize.IBytes(uint64(d.Bytes)))
	if d.Speed > 0 {
		text += fmt.Sprintf(", lately %s/s", humanize.Bytes(uint64(d.Speed)))
	}
	switch {
	case !d.Serves:
		text += ", fails and is left for a while"
	case d.LeftFiles > 0:
		text += fmt.Sprintf(", %d files fail and are left for a while", d.LeftFiles)
	}
	if d.Errors > 0 {
		text += fmt.Sprintf(", %d errors, the last one: %s", d.Errors, d.LastError)
	}
	return text
}

// reason puts why a better mechanism is not in use in brackets.
func reason(why string) string {
	if why == "" {
		return ""
	}
	return " (" + why + ")"
}
