package main

import (
	"errors"
	"fmt"
	"strings"

	"expertfs"
	"expertfs/cmd/internal/display"
	"expertfs/infer/kernel"

	"github.com/charmbracelet/x/ansi"
	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
)

// findMounts returns the mounts that can be used, and of others why not.
var findMounts = expertfs.UsableMounts

// onlyMount returns the mount point of the one mount that there is.
func onlyMount() (string, error) {
	mounts, others, err := findMounts()
	switch {
	case err != nil:
		return "", fmt.Errorf("no model given, and no mount found: %w: use --model DIR", err)
	case len(mounts) == 0 && len(others) > 0:
		return "", usageErrorf("no model given, and no mount can be used:\n  %s", strings.ReplaceAll(errors.Join(others...).Error(), "\n", "\n  "))
	case len(mounts) == 0:
		return "", usageErrorf("no model given, and nothing is mounted: expertfs mount CHECKPOINT DIR, or use --model DIR")
	case len(mounts) > 1:
		return "", usageErrorf("no model given, and there are %d mounts: use --model with one of them:\n  %s",
			len(mounts), strings.Join(mounts, "\n  "))
	}
	return mounts[0], nil
}

// greet says what talks here, by what means, and how to stop it. Where answers go to no
// terminal it is for the user alone.
func (c *chat) greet(version string) {
	out, width := c.out, columns(c.out)
	if c.look == piped {
		out, width = c.notes, columns(c.notes)
	}
	e := c.model.engine
	lines := []string{
		fmt.Sprintf("gptoss %s: %s, a context of %d tokens", version, baseName(c.model.name), e.Context()),
		fmt.Sprintf("kernels %s, activations %s, dense weights %s, keys and values %s, %s", kernel.Name(), e.Act(), e.Dense(), e.KV(), english.Plural(e.Threads(), "thread", "")),
	}
	lines = append(lines, c.model.storage()...)
	if len(c.history) > 0 {
		lines = append(lines, fmt.Sprintf("going on with a conversation of %s", english.Plural(len(c.history), "message", "")))
	}
	lines = append(lines, "/help lists the commands; Ctrl-C stops an answer; Ctrl-D ends the chat")
	for _, line := range lines {
		fmt.Fprintln(out, c.look.dim(ansi.Wordwrap(display.Text(line), width, "")))
	}
}

// storage says where the experts come from.
func (m *chatModel) storage() []string {
	s, err := expertfs.ReadStats(m.name)
	switch {
	case errors.Is(err, expertfs.ErrNotMounted):
		return []string{"experts from a plain folder, which is no mount"}
	case err != nil:
		return []string{fmt.Sprintf("experts from %s: %v", m.name, err)}
	}
	lines := []string{fmt.Sprintf("mount %s: %s of RAM for %s of experts, %d of %d in it; policy %s",
		s.Mountpoint, humanize.IBytes(uint64(s.Cache.Budget)), humanize.IBytes(uint64(s.ExpertSize*int64(s.Layers*s.Experts))),
		s.Cache.Resident, s.Layers*s.Experts, s.Cache.Policy)}
	if d, err := readDriveStats(m.name); err == nil {
		how, _ := d.way(0)
		lines = append(lines, how)
	}
	return lines
}
