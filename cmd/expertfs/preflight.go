package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"

	"expertfs"
	"expertfs/checkpoint"
	"expertfs/cmd/expertfs/internal/web"
	"expertfs/fsys/budget"
	"expertfs/fsys/mountpoint"
	"expertfs/policy"
)

// validate finds what is wrong with the command line, before anything is begun,
// and makes paths absolute, as the background process leaves its folder.
func (c *mountConfig) validate() error {
	if _, auto, err := budget.ParseAuto(c.ram); err != nil {
		return withCode(exitUsage, fmt.Errorf("--ram: %w", err))
	} else if _, err := budget.Parse(c.ram); err != nil && !auto {
		return withCode(exitUsage, fmt.Errorf("--ram: %w", err))
	}
	if _, err := budget.Parse(c.dense); err != nil && c.dense != denseAuto {
		return withCode(exitUsage, fmt.Errorf("--dense: %w", err))
	}
	if _, err := expertfs.ParseSize(c.cacheSize); err != nil && c.cacheSize != "" {
		return withCode(exitUsage, fmt.Errorf("--cache-size: %w", err))
	}
	if err := c.checkPolicy(c.policy); err != nil {
		return withCode(exitUsage, fmt.Errorf("--policy: %w", err))
	}
	for _, spec := range c.shadows {
		if err := c.checkPolicy(spec); err != nil {
			return withCode(exitUsage, fmt.Errorf("--shadow: %w", err))
		}
	}
	if !(c.high > 0 && c.high <= 1) { // either may not be a number
		return withCode(exitUsage, fmt.Errorf("--high %v: want a share of the budget, above 0 and at most 1", c.high))
	}
	if !(c.low >= 0 && c.low <= c.high) {
		return withCode(exitUsage, fmt.Errorf("--low %v: want a share of the budget from 0 to that of --high, %v", c.low, c.high))
	}
	if err := c.log.Check(); err != nil {
		return withCode(exitUsage, err)
	}
	if c.maxWait <= 0 {
		return withCode(exitUsage, fmt.Errorf("--max-wait %v: want a time above 0", c.maxWait))
	}
	switch m := expertfs.Mechanism(c.mechanism); m {
	case "", expertfs.Direct, expertfs.Cached:
	default:
		return withCode(exitUsage, fmt.Errorf("--mechanism %q: want %s or %s", m, expertfs.Direct, expertfs.Cached))
	}
	if err := web.CheckAddress(c.http); err != nil && c.http != "" {
		return withCode(exitUsage, fmt.Errorf("--http %w", err))
	}
	if _, err := readKey(c.httpKey); err != nil {
		return withCode(exitUsage, err)
	}
	var err error
	if c.checkpoint, err = checkpoint.Absolute(c.checkpoint); err != nil {
		return err
	}
	for _, path := range []*string{&c.point, &c.log.File, &c.trace, &c.heat, &c.cacheDir, &c.httpKey} {
		if *path == "" || path == &c.cacheDir && *path == cacheNone {
			continue
		}
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
	}
	for i := range c.mirrors {
		if c.mirrors[i], err = filepath.Abs(c.mirrors[i]); err != nil {
			return err
		}
	}
	return c.checkOutputs()
}

// checkPolicy finds what is wrong with the name and the parameters of a policy, for
// which the shape of the model does not matter.
func (c *mountConfig) checkPolicy(spec string) error {
	_, err := policy.New(spec, expertfs.Shape{Layers: 1, Experts: 1, TopK: 1, ExpertBytes: 1, Budget: 1}, c.seed)
	return err
}

// checkOutputs finds what is wrong with the names of what the mount writes. In the mount
// point they would be hidden by the mount, and stand in the way of the next one.
func (c *mountConfig) checkOutputs() error {
	for _, o := range []struct {
		flag, path string
		made       bool // with its folder
	}{{"trace", c.trace, false}, {"heat", c.heat, false}, {"log-file", c.log.File, false}, {"cache-dir", c.cacheDir, true}} {
		if o.path == "" || o.path == cacheNone {
			continue
		}
		hidden := withCode(exitUsage, fmt.Errorf("--%s %s: lies in the mount point, where the mount hides it: give a place beside it", o.flag, o.path))
		if within(c.point, o.path) {
			return hidden
		}
		folder := filepath.Dir(o.path)
		if s, err := os.Stat(folder); !o.made && (err != nil || !s.IsDir()) {
			return withCode(exitUsage, fmt.Errorf("--%s %s: there is no folder %s", o.flag, o.path, folder))
		}
		// By what links lead to, where all of them do.
		point, err := mountpoint.Resolve(c.point)
		real, rerr := filepath.EvalSymlinks(folder)
		if err == nil && rerr == nil && within(point, filepath.Join(real, filepath.Base(o.path))) {
			return hidden
		}
	}
	return nil
}

// within tells of an absolute path whether it is folder, or lies in it, by their names.
func within(folder, path string) bool {
	rest, err := filepath.Rel(folder, path)
	return err == nil && filepath.IsLocal(rest)
}

// checkSystem finds what stands in the way of a mount. What a dead server has
// left at the mount point is cleaned up. Afterwards c.point is free of symlinks, and
// nobody else mounts there until release is called.
func (c *mountConfig) checkSystem(log *slog.Logger) (release func(), err error) {
	if err := c.checkPoint(log); err != nil {
		return nil, err
	}
	if err := mountpoint.Possible(); err != nil {
		return nil, err
	}
	if release, err = mountpoint.Claim(c.point); err != nil {
		return nil, err
	}
	// Between the check and the claim another one may have come and gone.
	if err := mountpoint.Check(c.point); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

func (c *mountConfig) checkPoint(log *slog.Logger) error {
	err := mountpoint.Check(c.point)
	if errors.Is(err, expertfs.ErrDead) {
		log.Warn("taking down a dead mount", "point", c.point)
		if uerr := mountpoint.Unmount(c.point, true); uerr != nil {
			return errors.Join(err, uerr)
		}
		err = mountpoint.Check(c.point)
	}
	switch {
	case errors.Is(err, mountpoint.ErrNotEmpty) && isEmptyFolder(c.checkpoint):
		return fmt.Errorf("%w: the checkpoint comes first: expertfs mount %s %s", err, expertfs.ShellQuote(c.point), expertfs.ShellQuote(c.checkpoint))
	case err != nil && c.isAbsent():
		return fmt.Errorf("%s: no such checkpoint; and %w", c.checkpoint, err)
	case err != nil:
		return err
	}
	c.point, err = mountpoint.Resolve(c.point)
	return err
}

// isAbsent tells of a checkpoint on this machine that there is none of its name.
func (c *mountConfig) isAbsent() bool {
	_, err := os.Stat(c.checkpoint)
	return filepath.IsAbs(c.checkpoint) && errors.Is(err, os.ErrNotExist)
}

// isEmptyFolder tells of what can be no checkpoint, and can be mounted on.
func isEmptyFolder(path string) bool {
	entries, err := os.ReadDir(path)
	return err == nil && len(entries) == 0
}

// mountError explains why mounting failed.
func (c *mountConfig) mountError(err error) error {
	hint := "is mounting allowed here (CAP_SYS_ADMIN; in a container --cap-add SYS_ADMIN)?"
	if os.Geteuid() != 0 {
		hint = "fusermount3 says above why not"
		if c.allowOther {
			hint += "; allow_other needs the line user_allow_other in /etc/fuse.conf"
		}
	}
	return withCode(exitRefused, fmt.Errorf("%w: %s", helperError(err), hint))
}

// helperStatus is how go-fuse tells of fusermount3's end: by the status of wait(2).
var helperStatus = regexp.MustCompile(`fusermount exited with code (\d+)\s*$`)

// helperError gives the exit code of fusermount3 in place of that status.
func helperError(err error) error {
	found := helperStatus.FindStringSubmatch(err.Error())
	if found == nil {
		return err
	}
	n, perr := strconv.Atoi(found[1])
	if status := syscall.WaitStatus(n); perr == nil && status.Exited() {
		return fmt.Errorf("fusermount3 has failed with code %d", status.ExitStatus())
	}
	return errors.New("fusermount3 was ended by a signal")
}
