package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"expertfs"
	"expertfs/infer"
	"expertfs/infer/prefix"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// prefixFlags say where computed prefixes of texts are kept. The zero value keeps
// none.
type prefixFlags struct {
	dir       string
	ram, disk string
}

// What the flags stand for where they say auto.
const (
	prefixVariable = "GPTOSS_PREFIX_DIR" // in the environment; names the folder
	mostPrefixRAM  = 1 << 30             // or a sixteenth of all memory
	mostPrefixDisk = 16 << 30            // or a quarter of what is free or taken by prefixes
)

// addPrefixFlags declares the flags on cmd.
func addPrefixFlags(cmd *cobra.Command, f *prefixFlags) {
	flags := cmd.Flags()
	flags.StringVar(&f.dir, "prefix-dir", "auto", "folder that keeps what was computed of texts, so that no beginning is computed twice; none: keep it in RAM only (auto: $"+prefixVariable+", or gptoss/prefixes in the user's cache folder)")
	flags.StringVar(&f.disk, "prefix-size", "auto", "most bytes of the folder, as a size (auto: 16GiB, or a quarter of the free space)")
	flags.StringVar(&f.ram, "prefix-ram", "auto", "most bytes of RAM for prefixes, as a size (auto: 1GiB, or a sixteenth of memory)")
}

// folder is the folder that the flags name, or "" if there is to be none.
func (f *prefixFlags) folder() (string, error) {
	dir := f.dir
	if named := os.Getenv(prefixVariable); dir == "auto" && named != "" {
		dir = named
	}
	switch dir {
	case "", "none":
		return "", nil
	case "auto":
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("there is no folder for prefixes: %w; --prefix-dir names one", err)
		}
		return filepath.Join(cache, "gptoss", "prefixes"), nil
	}
	return filepath.Abs(dir)
}

// check refuses sizes that are none.
func (f *prefixFlags) check() error {
	_, _, err := f.sizes("")
	return err
}

// sizes are the budgets; auto depends on the machine, and on the folder.
func (f *prefixFlags) sizes(dir string) (ram, disk int64, err error) {
	if f.ram == "auto" || f.ram == "" {
		var info unix.Sysinfo_t
		ram = mostPrefixRAM
		if unix.Sysinfo(&info) == nil {
			ram = min(ram, int64(info.Totalram)*int64(info.Unit)/16)
		}
	} else if ram, err = expertfs.ParseSize(f.ram); err != nil {
		return 0, 0, usageErrorf("--prefix-ram %q: want auto or a size such as 1GiB", f.ram)
	}
	if f.disk == "auto" || f.disk == "" {
		return ram, roomFor(dir), nil
	}
	if disk, err = expertfs.ParseSize(f.disk); err != nil {
		return 0, 0, usageErrorf("--prefix-size %q: want auto or a size such as 16GiB", f.disk)
	}
	return ram, disk, nil
}

// roomFor is how much a folder may take where nobody says.
func roomFor(dir string) int64 {
	if dir == "" {
		return 0
	}
	var fs unix.Statfs_t
	for unix.Statfs(dir, &fs) != nil {
		above := filepath.Dir(dir)
		if above == dir {
			return mostPrefixDisk
		}
		dir = above
	}
	used, _, _ := prefix.Usage(dir)
	return min(mostPrefixDisk, (int64(fs.Bavail)*fs.Bsize+used)/4)
}

// open opens the store of a model's prefixes; nil if there is to be none. Start is
// the token that begins messages, or negative. That a folder that nobody has named
// cannot be used is a warning, and so is a drive that is full or read-only.
func (f *prefixFlags) open(e *infer.Engine, name string, start int, log *slog.Logger) (*prefix.Store, error) {
	if f.dir == "" {
		return nil, nil
	}
	dir, err := f.folder()
	if err != nil {
		log.Warn("prefixes are kept in RAM only", "err", err)
	}
	o := prefix.Options{
		Shape: e.Shape(), Start: start, Dir: dir, Log: log,
		Model: prefix.Model{Name: name, Act: e.Act(), Dense: e.Dense(), KV: e.KV()},
	}
	if o.RAM, o.Disk, err = f.sizes(dir); err != nil {
		return nil, err
	}
	if o.Key, err = e.Identity(); err != nil {
		return nil, err
	}
	s, err := prefix.Open(o)
	if err != nil && (f.dir == "auto" || takesNothing(err)) {
		log.Warn("prefixes are kept in RAM only: --prefix-dir names another folder for them", "err", err)
		o.Dir = ""
		return prefix.Open(o)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: --prefix-dir names a folder for prefixes, or none", err)
	}
	if dir != "" {
		used, _, _ := prefix.Usage(dir)
		log.Info("prefixes", "folder", dir, "used", humanize.IBytes(uint64(used)), "most", humanize.IBytes(uint64(o.Disk)), "ram", humanize.IBytes(uint64(o.RAM)))
	}
	return s, nil
}

// takesNothing tells whether err is of a drive that is full or read-only.
func takesNothing(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EROFS)
}

// prefixPatience is how long the end of a program waits for prefixes to be written.
const prefixPatience = 20 * time.Second

// closePrefixes writes what is not yet written of s, which may be nil.
func closePrefixes(s *prefix.Store) error {
	if s == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), prefixPatience)
	defer cancel()
	return s.Close(ctx)
}

// quietLog logs warnings of commands that have no log.
func quietLog(cmd *cobra.Command) *slog.Logger {
	return slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// baseName is what to call the model in a folder.
func baseName(dir string) string {
	name, err := folderName(dir)
	if err != nil {
		return strings.TrimSuffix(dir, "/")
	}
	return name
}
